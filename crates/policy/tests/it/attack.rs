//! docs/attack.md: the techniques of ATT&CK that the shipped rules find.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use sysflow_policy::RuleSet;

use crate::{repository, rules::shipped};

/// Tactics in the order of an intrusion, as Falco's tags and as people write them.
const TACTICS: [(&str, &str); 14] = [
    ("reconnaissance", "Reconnaissance"),
    ("resource_development", "Resource Development"),
    ("initial_access", "Initial Access"),
    ("execution", "Execution"),
    ("persistence", "Persistence"),
    ("privilege_escalation", "Privilege Escalation"),
    ("defense_evasion", "Defense Evasion"),
    ("credential_access", "Credential Access"),
    ("discovery", "Discovery"),
    ("lateral_movement", "Lateral Movement"),
    ("collection", "Collection"),
    ("command_and_control", "Command and Control"),
    ("exfiltration", "Exfiltration"),
    ("impact", "Impact"),
];

const TECHNIQUES: [(&str, &str); 79] = [
    ("T1003", "OS Credential Dumping"),
    ("T1003.007", "OS Credential Dumping: Proc Filesystem"),
    ("T1003.008", "OS Credential Dumping: /etc/passwd and /etc/shadow"),
    ("T1016", "System Network Configuration Discovery"),
    ("T1027", "Obfuscated Files or Information"),
    ("T1033", "System Owner/User Discovery"),
    ("T1036", "Masquerading"),
    ("T1036.005", "Masquerading: Match Legitimate Resource Name or Location"),
    ("T1041", "Exfiltration Over C2 Channel"),
    ("T1046", "Network Service Discovery"),
    ("T1048", "Exfiltration Over Alternative Protocol"),
    ("T1048.003", "Exfiltration Over Alternative Protocol: Exfiltration Over Unencrypted Non-C2 Protocol"),
    ("T1049", "System Network Connections Discovery"),
    ("T1053", "Scheduled Task/Job"),
    ("T1053.003", "Scheduled Task/Job: Cron"),
    ("T1055", "Process Injection"),
    ("T1055.008", "Process Injection: Ptrace System Calls"),
    ("T1057", "Process Discovery"),
    ("T1059", "Command and Scripting Interpreter"),
    ("T1059.004", "Command and Scripting Interpreter: Unix Shell"),
    ("T1059.006", "Command and Scripting Interpreter: Python"),
    ("T1070", "Indicator Removal"),
    ("T1070.002", "Indicator Removal: Clear Linux or Mac System Logs"),
    ("T1070.003", "Indicator Removal: Clear Command History"),
    ("T1070.004", "Indicator Removal: File Deletion"),
    ("T1071", "Application Layer Protocol"),
    ("T1074", "Data Staged"),
    ("T1074.001", "Data Staged: Local Data Staging"),
    ("T1078", "Valid Accounts"),
    ("T1082", "System Information Discovery"),
    ("T1083", "File and Directory Discovery"),
    ("T1087", "Account Discovery"),
    ("T1087.001", "Account Discovery: Local Account"),
    ("T1090", "Proxy"),
    ("T1095", "Non-Application Layer Protocol"),
    ("T1098", "Account Manipulation"),
    ("T1098.004", "Account Manipulation: SSH Authorized Keys"),
    ("T1105", "Ingress Tool Transfer"),
    ("T1136", "Create Account"),
    ("T1136.001", "Create Account: Local Account"),
    ("T1140", "Deobfuscate/Decode Files or Information"),
    ("T1190", "Exploit Public-Facing Application"),
    ("T1204", "User Execution"),
    ("T1204.002", "User Execution: Malicious File"),
    ("T1213", "Data from Information Repositories"),
    ("T1213.006", "Data from Information Repositories: Databases"),
    ("T1222", "File and Directory Permissions Modification"),
    ("T1222.002", "File and Directory Permissions Modification: Linux and Mac"),
    ("T1496", "Resource Hijacking"),
    ("T1496.001", "Resource Hijacking: Compute Hijacking"),
    ("T1505", "Server Software Component"),
    ("T1505.003", "Server Software Component: Web Shell"),
    ("T1528", "Steal Application Access Token"),
    ("T1543", "Create or Modify System Process"),
    ("T1543.002", "Create or Modify System Process: Systemd Service"),
    ("T1546", "Event Triggered Execution"),
    ("T1546.004", "Event Triggered Execution: Unix Shell Configuration Modification"),
    ("T1547", "Boot or Logon Autostart Execution"),
    ("T1547.006", "Boot or Logon Autostart Execution: Kernel Modules and Extensions"),
    ("T1548", "Abuse Elevation Control Mechanism"),
    ("T1548.001", "Abuse Elevation Control Mechanism: Setuid and Setgid"),
    ("T1548.003", "Abuse Elevation Control Mechanism: Sudo and Sudo Caching"),
    ("T1552", "Unsecured Credentials"),
    ("T1552.001", "Unsecured Credentials: Credentials In Files"),
    ("T1552.004", "Unsecured Credentials: Private Keys"),
    ("T1552.005", "Unsecured Credentials: Cloud Instance Metadata API"),
    ("T1560", "Archive Collected Data"),
    ("T1560.001", "Archive Collected Data: Archive via Utility"),
    ("T1560.002", "Archive Collected Data: Archive via Library"),
    ("T1562", "Impair Defenses"),
    ("T1562.001", "Impair Defenses: Disable or Modify Tools"),
    ("T1562.004", "Impair Defenses: Disable or Modify System Firewall"),
    ("T1571", "Non-Standard Port"),
    ("T1574", "Hijack Execution Flow"),
    ("T1574.006", "Hijack Execution Flow: Dynamic Linker Hijacking"),
    ("T1609", "Container Administration Command"),
    ("T1610", "Deploy Container"),
    ("T1611", "Escape to Host"),
    ("T1620", "Reflective Code Loading"),
];

const HEAD: &str = "# ATT&CK coverage

What the rules that ship with SysFlow for Falco find, by technique of MITRE ATT&CK. Each rule stands at its most precise techniques.
Generated from rules/sysflow_rules.yaml: `SYSFLOW_UPDATE_DOCS=1 cargo test -p sysflow-policy attack` writes it anew.

";

fn is_technique(tag: &str) -> bool {
    tag.strip_prefix('T').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn document(set: &RuleSet) -> String {
    let mut techniques: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut tactics: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, rule) in set.rules() {
        let tags: BTreeSet<&str> = rule.tags.iter().map(String::as_str).collect();
        for tag in &tags {
            if let Some(tactic) = tag.strip_prefix("mitre_") {
                *tactics.entry(tactic).or_default() += 1;
            }
            let finer = |other: &&str| other.strip_prefix(tag).is_some_and(|rest| rest.starts_with('.'));
            if is_technique(tag) && !tags.iter().any(finer) {
                techniques.entry(tag).or_default().push(format!("{} ({})", rule.name, rule.priority));
            }
        }
    }
    let mut text = HEAD.to_owned();
    text.push_str("| Tactic | Rules |\n|---|---|\n");
    for (tag, name) in TACTICS {
        writeln!(text, "| {name} | {} |", tactics.remove(tag).unwrap_or_default())
            .expect("a String takes all");
    }
    assert!(tactics.is_empty(), "no tactics of ATT&CK: {tactics:?}");
    text.push_str("\n| Technique | Name | Rules |\n|---|---|---|\n");
    for (id, rules) in techniques {
        let name = TECHNIQUES.iter().find(|(known, _)| *known == id);
        let (_, name) = name.unwrap_or_else(|| panic!("{id} has no name here"));
        writeln!(text, "| {id} | {name} | {} |", rules.join(", ")).expect("a String takes all");
    }
    text
}

#[test]
fn the_table_is_current() {
    let path = repository("docs/attack.md");
    let text = document(&shipped());
    if std::env::var_os("SYSFLOW_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("docs/attack.md can be written");
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == text,
        "docs/attack.md is not current: SYSFLOW_UPDATE_DOCS=1 cargo test -p sysflow-policy attack"
    );
}
