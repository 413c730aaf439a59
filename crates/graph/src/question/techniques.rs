//! ATT&CK techniques, as far as the rules of this project name them: ids, names, tactics and the mitigations that MITRE
//! lists for each. Facts only; what they mean stands behind the links.

/// A technique or sub-technique.
pub(crate) struct Technique {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) tactics: &'static [&'static str],
    /// Ids of its mitigations.
    pub(crate) mitigations: &'static [&'static str],
}

const fn t(
    id: &'static str,
    name: &'static str,
    tactics: &'static [&'static str],
    mitigations: &'static [&'static str],
) -> Technique {
    Technique { id, name, tactics, mitigations }
}

const INITIAL: &str = "initial-access";
const EXECUTION: &str = "execution";
const PERSISTENCE: &str = "persistence";
const PRIVILEGE: &str = "privilege-escalation";
const EVASION: &str = "defense-evasion";
const CREDENTIAL: &str = "credential-access";
const DISCOVERY: &str = "discovery";
const COLLECTION: &str = "collection";
const COMMAND: &str = "command-and-control";
const EXFILTRATION: &str = "exfiltration";
const IMPACT: &str = "impact";

/// By id.
const TECHNIQUES: &[Technique] = &[
    t(
        "T1003",
        "OS Credential Dumping",
        &[CREDENTIAL],
        &["M1015", "M1017", "M1025", "M1026", "M1027", "M1028", "M1040", "M1041", "M1043"],
    ),
    t("T1003.007", "Proc Filesystem", &[CREDENTIAL], &["M1026", "M1027"]),
    t("T1003.008", "/etc/passwd and /etc/shadow", &[CREDENTIAL], &["M1026", "M1027"]),
    t("T1016", "System Network Configuration Discovery", &[DISCOVERY], &[]),
    t("T1027", "Obfuscated Files or Information", &[EVASION], &["M1017", "M1040", "M1047", "M1049"]),
    t("T1033", "System Owner/User Discovery", &[DISCOVERY], &[]),
    t(
        "T1036",
        "Masquerading",
        &[EVASION],
        &["M1017", "M1018", "M1022", "M1038", "M1040", "M1045", "M1047", "M1049"],
    ),
    t("T1036.005", "Match Legitimate Resource Name or Location", &[EVASION], &["M1022", "M1038", "M1045"]),
    t("T1041", "Exfiltration Over C2 Channel", &[EXFILTRATION], &["M1031", "M1057"]),
    t("T1046", "Network Service Discovery", &[DISCOVERY], &["M1030", "M1031", "M1042"]),
    t(
        "T1048",
        "Exfiltration Over Alternative Protocol",
        &[EXFILTRATION],
        &["M1018", "M1022", "M1030", "M1031", "M1037", "M1057"],
    ),
    t(
        "T1048.003",
        "Exfiltration Over Unencrypted Non-C2 Protocol",
        &[EXFILTRATION],
        &["M1030", "M1031", "M1037", "M1057"],
    ),
    t("T1049", "System Network Connections Discovery", &[DISCOVERY], &[]),
    t(
        "T1053",
        "Scheduled Task/Job",
        &[EXECUTION, PERSISTENCE, PRIVILEGE],
        &["M1018", "M1022", "M1026", "M1028", "M1047"],
    ),
    t("T1053.003", "Cron", &[EXECUTION, PERSISTENCE, PRIVILEGE], &["M1018", "M1047"]),
    t("T1055", "Process Injection", &[EVASION, PRIVILEGE], &["M1026", "M1040"]),
    t("T1055.008", "Ptrace System Calls", &[EVASION, PRIVILEGE], &["M1026", "M1028", "M1040"]),
    t("T1057", "Process Discovery", &[DISCOVERY], &[]),
    t(
        "T1059",
        "Command and Scripting Interpreter",
        &[EXECUTION],
        &["M1021", "M1026", "M1033", "M1038", "M1040", "M1042", "M1045", "M1049"],
    ),
    t("T1059.004", "Unix Shell", &[EXECUTION], &["M1038"]),
    t("T1059.006", "Python", &[EXECUTION], &["M1033", "M1038", "M1047", "M1049"]),
    t("T1070", "Indicator Removal", &[EVASION], &["M1022", "M1029", "M1041"]),
    t("T1070.002", "Clear Linux or Mac System Logs", &[EVASION], &["M1022", "M1029", "M1041"]),
    t("T1070.003", "Clear Command History", &[EVASION], &["M1022", "M1029", "M1039"]),
    t("T1070.004", "File Deletion", &[EVASION], &[]),
    t("T1071", "Application Layer Protocol", &[COMMAND], &["M1031", "M1037"]),
    t("T1074", "Data Staged", &[COLLECTION], &[]),
    t("T1074.001", "Local Data Staging", &[COLLECTION], &[]),
    t("T1082", "System Information Discovery", &[DISCOVERY], &[]),
    t("T1087", "Account Discovery", &[DISCOVERY], &["M1018", "M1028", "M1047"]),
    t("T1087.001", "Local Account", &[DISCOVERY], &["M1028"]),
    t("T1095", "Non-Application Layer Protocol", &[COMMAND], &["M1030", "M1031", "M1037"]),
    t(
        "T1098",
        "Account Manipulation",
        &[PERSISTENCE, PRIVILEGE],
        &["M1018", "M1022", "M1026", "M1028", "M1030", "M1032", "M1042"],
    ),
    t("T1098.004", "SSH Authorized Keys", &[PERSISTENCE, PRIVILEGE], &["M1018", "M1022", "M1042"]),
    t("T1105", "Ingress Tool Transfer", &[COMMAND], &["M1031"]),
    t("T1136", "Create Account", &[PERSISTENCE], &["M1026", "M1028", "M1030", "M1032"]),
    t("T1136.001", "Local Account", &[PERSISTENCE], &["M1026", "M1032"]),
    t("T1140", "Deobfuscate/Decode Files or Information", &[EVASION], &[]),
    t(
        "T1190",
        "Exploit Public-Facing Application",
        &[INITIAL],
        &["M1016", "M1026", "M1030", "M1048", "M1050", "M1051"],
    ),
    t("T1204", "User Execution", &[EXECUTION], &["M1017", "M1021", "M1031", "M1033", "M1038", "M1040"]),
    t(
        "T1213",
        "Data from Information Repositories",
        &[COLLECTION],
        &["M1017", "M1018", "M1032", "M1041", "M1047", "M1054"],
    ),
    t("T1213.006", "Databases", &[COLLECTION], &["M1018", "M1041", "M1047"]),
    t("T1222", "File and Directory Permissions Modification", &[EVASION], &["M1022", "M1026"]),
    t(
        "T1222.002",
        "Linux and Mac File and Directory Permissions Modification",
        &[EVASION],
        &["M1022", "M1026"],
    ),
    t("T1496", "Resource Hijacking", &[IMPACT], &[]),
    t(
        "T1505",
        "Server Software Component",
        &[PERSISTENCE],
        &["M1018", "M1024", "M1026", "M1042", "M1045", "M1047"],
    ),
    t("T1505.003", "Web Shell", &[PERSISTENCE], &["M1018", "M1042"]),
    t("T1528", "Steal Application Access Token", &[CREDENTIAL], &["M1017", "M1018", "M1021", "M1047"]),
    t(
        "T1543",
        "Create or Modify System Process",
        &[PERSISTENCE, PRIVILEGE],
        &["M1018", "M1022", "M1026", "M1028", "M1033", "M1040", "M1045", "M1047", "M1054"],
    ),
    t("T1543.002", "Systemd Service", &[PERSISTENCE, PRIVILEGE], &["M1018", "M1022", "M1026", "M1033"]),
    t("T1546", "Event Triggered Execution", &[PERSISTENCE, PRIVILEGE], &["M1026", "M1051"]),
    t("T1546.004", "Unix Shell Configuration Modification", &[PERSISTENCE, PRIVILEGE], &["M1022"]),
    t("T1547", "Boot or Logon Autostart Execution", &[PERSISTENCE, PRIVILEGE], &[]),
    t(
        "T1547.006",
        "Kernel Modules and Extensions",
        &[PERSISTENCE, PRIVILEGE],
        &["M1018", "M1026", "M1038", "M1049"],
    ),
    t(
        "T1548",
        "Abuse Elevation Control Mechanism",
        &[PRIVILEGE, EVASION],
        &["M1018", "M1022", "M1026", "M1028", "M1038", "M1047", "M1051", "M1052"],
    ),
    t("T1548.001", "Setuid and Setgid", &[PRIVILEGE, EVASION], &["M1028"]),
    t("T1548.003", "Sudo and Sudo Caching", &[PRIVILEGE, EVASION], &["M1022", "M1026", "M1028"]),
    t(
        "T1552",
        "Unsecured Credentials",
        &[CREDENTIAL],
        &["M1015", "M1017", "M1022", "M1026", "M1027", "M1028", "M1035", "M1037", "M1041", "M1047", "M1051"],
    ),
    t("T1552.001", "Credentials In Files", &[CREDENTIAL], &["M1017", "M1022", "M1027", "M1047"]),
    t("T1552.004", "Private Keys", &[CREDENTIAL], &["M1022", "M1027", "M1041", "M1047"]),
    t("T1552.005", "Cloud Instance Metadata API", &[CREDENTIAL], &["M1035", "M1037", "M1042"]),
    t("T1560", "Archive Collected Data", &[COLLECTION], &["M1047"]),
    t("T1560.001", "Archive via Utility", &[COLLECTION], &["M1047"]),
    t("T1560.002", "Archive via Library", &[COLLECTION], &[]),
    t("T1562", "Impair Defenses", &[EVASION], &["M1018", "M1022", "M1024", "M1038", "M1047", "M1054"]),
    t("T1562.001", "Disable or Modify Tools", &[EVASION], &["M1018", "M1022", "M1024", "M1038", "M1047"]),
    t("T1562.004", "Disable or Modify System Firewall", &[EVASION], &["M1018", "M1022", "M1024", "M1047"]),
    t(
        "T1574",
        "Hijack Execution Flow",
        &[PERSISTENCE, PRIVILEGE, EVASION],
        &["M1013", "M1018", "M1022", "M1024", "M1038", "M1040", "M1044", "M1047", "M1051", "M1052"],
    ),
    t("T1574.006", "Dynamic Linker Hijacking", &[PERSISTENCE, PRIVILEGE, EVASION], &["M1028", "M1038"]),
    t(
        "T1609",
        "Container Administration Command",
        &[EXECUTION],
        &["M1018", "M1026", "M1035", "M1038", "M1042"],
    ),
    t("T1610", "Deploy Container", &[EVASION, EXECUTION], &["M1018", "M1030", "M1035", "M1047"]),
    t("T1611", "Escape to Host", &[PRIVILEGE], &["M1026", "M1038", "M1042", "M1048", "M1051"]),
    t("T1620", "Reflective Code Loading", &[EVASION], &[]),
];

/// By id.
const MITIGATIONS: &[(&str, &str)] = &[
    ("M1013", "Application Developer Guidance"),
    ("M1015", "Active Directory Configuration"),
    ("M1016", "Vulnerability Scanning"),
    ("M1017", "User Training"),
    ("M1018", "User Account Management"),
    ("M1021", "Restrict Web-Based Content"),
    ("M1022", "Restrict File and Directory Permissions"),
    ("M1024", "Restrict Registry Permissions"),
    ("M1025", "Privileged Process Integrity"),
    ("M1026", "Privileged Account Management"),
    ("M1027", "Password Policies"),
    ("M1028", "Operating System Configuration"),
    ("M1029", "Remote Data Storage"),
    ("M1030", "Network Segmentation"),
    ("M1031", "Network Intrusion Prevention"),
    ("M1032", "Multi-factor Authentication"),
    ("M1033", "Limit Software Installation"),
    ("M1035", "Limit Access to Resource Over Network"),
    ("M1037", "Filter Network Traffic"),
    ("M1038", "Execution Prevention"),
    ("M1039", "Environment Variable Permissions"),
    ("M1040", "Behavior Prevention on Endpoint"),
    ("M1041", "Encrypt Sensitive Information"),
    ("M1042", "Disable or Remove Feature or Program"),
    ("M1043", "Credential Access Protection"),
    ("M1044", "Restrict Library Loading"),
    ("M1045", "Code Signing"),
    ("M1047", "Audit"),
    ("M1048", "Application Isolation and Sandboxing"),
    ("M1049", "Antivirus/Antimalware"),
    ("M1050", "Exploit Protection"),
    ("M1051", "Update Software"),
    ("M1052", "User Account Control"),
    ("M1054", "Software Configuration"),
    ("M1057", "Data Loss Prevention"),
];

/// What is known of a technique.
pub(crate) fn technique(id: &str) -> Option<&'static Technique> {
    TECHNIQUES.binary_search_by(|technique| technique.id.cmp(id)).ok().map(|at| &TECHNIQUES[at])
}

/// Name of a mitigation.
pub(crate) fn mitigation(id: &str) -> Option<&'static str> {
    MITIGATIONS.binary_search_by(|(known, _)| (*known).cmp(id)).ok().map(|at| MITIGATIONS[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order_and_whole() {
        assert!(TECHNIQUES.is_sorted_by(|a, b| a.id < b.id));
        assert!(MITIGATIONS.is_sorted_by(|a, b| a.0 < b.0));
        for technique in TECHNIQUES {
            assert!(!technique.tactics.is_empty(), "{}", technique.id);
            for id in technique.mitigations {
                assert!(mitigation(id).is_some(), "{} of {}", id, technique.id);
            }
            if let Some((parent, _)) = technique.id.split_once('.') {
                assert!(self::technique(parent).is_some(), "{}", technique.id);
            }
        }
    }
}
