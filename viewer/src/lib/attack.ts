/** MITRE ATT&CK tags as Falco's rules write them: `T1059.004`, `mitre_execution`. */

const TECHNIQUE = /^(T\d{4})(?:\.(\d{3}))?$/;

export function isTechnique(tag: string): boolean {
  return TECHNIQUE.test(tag);
}

/** Page of a technique; `null` for any other tag, so that no tag can become another address. */
export function techniqueUrl(tag: string): string | null {
  const match = TECHNIQUE.exec(tag);
  if (match === null) return null;
  return `https://attack.mitre.org/techniques/${match[1]}/${match[2] === undefined ? '' : `${match[2]}/`}`;
}

/** Name of a technique, with its parent's in front for a sub-technique; `null` when unknown. */
export function techniqueName(tag: string): string | null {
  const own = NAMES[tag];
  if (own === undefined) return null;
  const parent = tag.includes('.') ? NAMES[tag.slice(0, 5)] : undefined;
  return parent === undefined ? own : `${parent}: ${own}`;
}

/** Own name of a technique without its parent's. */
export function shortName(tag: string): string | null {
  return NAMES[tag] ?? null;
}

/** "Command and Control" for `mitre_command_and_control`; `null` for any other tag. */
export function tacticName(tag: string): string | null {
  if (!/^mitre_[a-z_]+$/.test(tag)) return null;
  return tag
    .slice(6)
    .split('_')
    .map((word) => (word === 'and' ? word : word.charAt(0).toUpperCase() + word.slice(1)))
    .join(' ');
}

/** Techniques in id order without doubles, then what is no technique. */
export function techniques(tags: readonly string[]): string[] {
  return [...new Set(tags.filter(isTechnique))].sort();
}

const NAMES: Record<string, string> = {
  T1003: 'OS Credential Dumping',
  'T1003.007': 'Proc Filesystem',
  'T1003.008': '/etc/passwd and /etc/shadow',
  T1005: 'Data from Local System',
  T1014: 'Rootkit',
  T1016: 'System Network Configuration Discovery',
  T1018: 'Remote System Discovery',
  T1021: 'Remote Services',
  'T1021.004': 'SSH',
  T1027: 'Obfuscated Files or Information',
  T1033: 'System Owner/User Discovery',
  T1036: 'Masquerading',
  T1037: 'Boot or Logon Initialization Scripts',
  T1040: 'Network Sniffing',
  T1041: 'Exfiltration Over C2 Channel',
  T1046: 'Network Service Discovery',
  T1048: 'Exfiltration Over Alternative Protocol',
  'T1048.003': 'Exfiltration Over Unencrypted Non-C2 Protocol',
  T1049: 'System Network Connections Discovery',
  T1053: 'Scheduled Task/Job',
  'T1053.002': 'At',
  'T1053.003': 'Cron',
  'T1053.006': 'Systemd Timers',
  T1055: 'Process Injection',
  'T1055.008': 'Ptrace System Calls',
  T1057: 'Process Discovery',
  T1059: 'Command and Scripting Interpreter',
  'T1059.004': 'Unix Shell',
  'T1059.006': 'Python',
  'T1059.007': 'JavaScript',
  T1068: 'Exploitation for Privilege Escalation',
  T1069: 'Permission Groups Discovery',
  T1070: 'Indicator Removal',
  'T1070.002': 'Clear Linux or Mac System Logs',
  'T1070.003': 'Clear Command History',
  'T1070.004': 'File Deletion',
  'T1070.006': 'Timestomp',
  T1071: 'Application Layer Protocol',
  'T1071.001': 'Web Protocols',
  'T1071.004': 'DNS',
  T1074: 'Data Staged',
  'T1074.001': 'Local Data Staging',
  T1078: 'Valid Accounts',
  'T1078.003': 'Local Accounts',
  T1082: 'System Information Discovery',
  T1083: 'File and Directory Discovery',
  T1087: 'Account Discovery',
  'T1087.001': 'Local Account',
  T1090: 'Proxy',
  T1095: 'Non-Application Layer Protocol',
  T1098: 'Account Manipulation',
  'T1098.004': 'SSH Authorized Keys',
  T1102: 'Web Service',
  T1105: 'Ingress Tool Transfer',
  T1106: 'Native API',
  T1110: 'Brute Force',
  T1119: 'Automated Collection',
  T1132: 'Data Encoding',
  T1133: 'External Remote Services',
  T1136: 'Create Account',
  'T1136.001': 'Local Account',
  T1140: 'Deobfuscate/Decode Files or Information',
  T1190: 'Exploit Public-Facing Application',
  T1203: 'Exploitation for Client Execution',
  T1205: 'Traffic Signaling',
  T1213: 'Data from Information Repositories',
  'T1213.006': 'Databases',
  T1222: 'File and Directory Permissions Modification',
  T1485: 'Data Destruction',
  T1486: 'Data Encrypted for Impact',
  T1489: 'Service Stop',
  T1496: 'Resource Hijacking',
  T1505: 'Server Software Component',
  'T1505.003': 'Web Shell',
  T1518: 'Software Discovery',
  T1525: 'Implant Internal Image',
  T1528: 'Steal Application Access Token',
  T1529: 'System Shutdown/Reboot',
  T1543: 'Create or Modify System Process',
  'T1543.002': 'Systemd Service',
  T1546: 'Event Triggered Execution',
  'T1546.004': 'Unix Shell Configuration Modification',
  T1547: 'Boot or Logon Autostart Execution',
  'T1547.006': 'Kernel Modules and Extensions',
  T1548: 'Abuse Elevation Control Mechanism',
  'T1548.001': 'Setuid and Setgid',
  'T1548.003': 'Sudo and Sudo Caching',
  T1552: 'Unsecured Credentials',
  'T1552.001': 'Credentials In Files',
  'T1552.004': 'Private Keys',
  'T1552.005': 'Cloud Instance Metadata API',
  'T1552.007': 'Container API',
  T1555: 'Credentials from Password Stores',
  T1556: 'Modify Authentication Process',
  'T1556.003': 'Pluggable Authentication Modules',
  T1560: 'Archive Collected Data',
  'T1560.001': 'Archive via Utility',
  'T1560.002': 'Archive via Library',
  T1562: 'Impair Defenses',
  'T1562.001': 'Disable or Modify Tools',
  T1564: 'Hide Artifacts',
  'T1564.001': 'Hidden Files and Directories',
  T1567: 'Exfiltration Over Web Service',
  T1570: 'Lateral Tool Transfer',
  T1571: 'Non-Standard Port',
  T1572: 'Protocol Tunneling',
  T1573: 'Encrypted Channel',
  T1574: 'Hijack Execution Flow',
  'T1574.006': 'Dynamic Linker Hijacking',
  T1595: 'Active Scanning',
  T1609: 'Container Administration Command',
  T1610: 'Deploy Container',
  T1611: 'Escape to Host',
  T1613: 'Container and Resource Discovery',
  T1620: 'Reflective Code Loading',
};
