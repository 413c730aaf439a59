//! The fields: for each its type, what it is read off, name, display name and description, and how.

use falco_plugin::extract::{ExtractFieldInfo, ExtractRequest, field};
use sysflow::attr;

#[allow(clippy::wildcard_imports, reason = "a table of what is written there")]
use super::*;

/// Makes a function of each row and the list that Falco is given.
macro_rules! fields {
    ($($of:ident $type:ident $function:ident $name:literal, $display:literal, $doc:literal,
        |$arg:ident| $get:expr $(, $output:ident)?;)*) => {
        #[allow(clippy::needless_pass_by_value, reason = "the SDK hands requests over by value")]
        impl SysFlow {
            $(fn $function(&mut self, request: ExtractRequest<'_, '_, '_, '_, Self>) -> $type {
                self.$of(&request, |$arg| $get.and_then(Answer::answer))
            })*
        }

        pub(super) const FIELDS: &[ExtractFieldInfo<SysFlow>] = &[
            $(field($name, &SysFlow::$function)
                .with_display($display)
                .with_description($doc)
                $(.$output())?,)*
        ];
    };
}

fields! {
    process Text graph_id
        "sf.graphid", "Graph", "Id of the behaviour graph that the process belongs to: everything that one application instance or session did.",
        |p| Some(p.graph().to_string()), add_output;
    process Text graph_parent
        "sf.graph.parent", "Parent graph", "Id of the graph that this one was spawned by.",
        |p| p.parent_graph().map(|id| id.to_string());
    process Number root_pid
        "sf.graph.root.pid", "Root process", "Pid of the process that the graph is named by.",
        |p| Some(p.root().hpid as u64);
    process Text root_exe
        "sf.graph.root.exe", "Root executable", "Executable of the process that the graph is named by.",
        |p| said(p.root_exe()?);
    process Text proc_oid
        "sf.proc.oid", "Process id", "Identity of the process: hash of its pid and creation time.",
        |p| Some(hash(p.oid()));
    process Number proc_pid
        "sf.proc.pid", "Process pid", "Pid of the process on the host.",
        |p| Some(p.oid().hpid as u64);
    thread Number proc_tid
        "sf.proc.tid", "Thread", "Thread that acted.",
        |t| t.recorder.process_of(t.tid).map(|_| t.tid as u64);
    process Number proc_createts
        "sf.proc.createts", "Process start", "Creation time of the process in ns since the epoch, 0 when it is older than the recording.",
        |p| Some(p.oid().create_ts as u64);
    process Text proc_exe
        "sf.proc.exe", "Process executable", "Path of the process's executable.",
        |p| exe(p);
    process Text proc_name
        "sf.proc.name", "Process name", "Last element of the path of the process's executable.",
        |p| name(p);
    process Text proc_args
        "sf.proc.args", "Process arguments", "Arguments of the process without the first, secrets masked.",
        |p| Some(p.args().trim());
    process Text proc_cmdline
        "sf.proc.cmdline", "Process command line", "Executable and arguments of the process, secrets masked.",
        |p| cmdline(p);
    process Number proc_uid
        "sf.proc.uid", "Process user id", "Effective user id of the process.",
        |p| p.uid().map(u64::from);
    process Text proc_user
        "sf.proc.user", "Process user", "Name of the process's user.",
        |p| said(p.user());
    process Number proc_gid
        "sf.proc.gid", "Process group id", "Effective group id of the process.",
        |p| p.gid().map(u64::from);
    process Text proc_group
        "sf.proc.group", "Process group", "Name of the process's group.",
        |p| said(p.group());
    process Truth proc_tty
        "sf.proc.tty", "Process terminal", "Whether the process has a terminal.",
        |p| Some(p.tty());
    process Truth proc_entry
        "sf.proc.entry", "Process entry", "Whether the process is the first of its pid namespace.",
        |p| Some(p.entry());
    process Text parent_oid
        "sf.pproc.oid", "Parent id", "Identity of the parent: hash of its pid and creation time.",
        |p| p.parent_oid().map(hash);
    process Number parent_pid
        "sf.pproc.pid", "Parent pid", "Pid of the process that started this one, also after it has ended.",
        |p| Some(p.parent_oid()?.hpid as u64);
    process Number parent_createts
        "sf.pproc.createts", "Parent start", "Creation time of the parent in ns since the epoch, 0 when it is older than the recording.",
        |p| Some(p.parent_oid()?.create_ts as u64);
    process Text parent_exe
        "sf.pproc.exe", "Parent executable", "Path of the parent's executable.",
        |p| exe(p.parent()?);
    process Text parent_name
        "sf.pproc.name", "Parent name", "Last element of the path of the parent's executable.",
        |p| name(p.parent()?);
    process Text parent_args
        "sf.pproc.args", "Parent arguments", "Arguments of the parent without the first, secrets masked.",
        |p| Some(p.parent()?.args().trim());
    process Text parent_cmdline
        "sf.pproc.cmdline", "Parent command line", "Executable and arguments of the parent, secrets masked.",
        |p| cmdline(p.parent()?);
    process Number parent_uid
        "sf.pproc.uid", "Parent user id", "Effective user id of the parent.",
        |p| p.parent()?.uid().map(u64::from);
    process Text parent_user
        "sf.pproc.user", "Parent user", "Name of the parent's user.",
        |p| said(p.parent()?.user());
    process Number parent_gid
        "sf.pproc.gid", "Parent group id", "Effective group id of the parent.",
        |p| p.parent()?.gid().map(u64::from);
    process Text parent_group
        "sf.pproc.group", "Parent group", "Name of the parent's group.",
        |p| said(p.parent()?.group());
    process Truth parent_tty
        "sf.pproc.tty", "Parent terminal", "Whether the parent has a terminal.",
        |p| Some(p.parent()?.tty());
    process Truth parent_entry
        "sf.pproc.entry", "Parent entry", "Whether the parent is the first of its pid namespace.",
        |p| Some(p.parent()?.entry());
    process Number proc_ttynr
        "sf.proc.ttynr", "Terminal number", "Number of the controlling terminal, 0 for none.",
        |p| Some(u64::from(p.tty_nr()));
    process Text proc_cwd
        "sf.proc.cwd", "Working directory", "Working directory after the event.",
        |p| said(p.cwd());
    process Texts proc_env
        "sf.proc.env", "Environment", "Environment, K=V each, as far as the plugin is configured to record it.",
        |p| Some(p.env().map(str::to_owned).collect::<Vec<_>>()).filter(|env| !env.is_empty());
    process Number proc_sid
        "sf.proc.sid", "Session", "Session id.",
        |p| known(p.sid());
    process Number proc_vpid
        "sf.proc.vpid", "Namespaced pid", "Pid inside its own pid namespace.",
        |p| known(p.vpid());
    process Number proc_loginuid
        "sf.proc.loginuid", "Login user", "User who logged in, whoever they became since.",
        |p| known(p.loginuid());
    process Texts proc_capeffective
        "sf.proc.capeffective", "Capabilities", "Effective capabilities, CAP_SYS_ADMIN ...",
        |p| Some(names(attr::names::capabilities(p.cap_effective())));
    process Texts proc_exeflags
        "sf.proc.exeflags", "Executable flags", "UPPER_LAYER (written in the container), MEMFD, WRITABLE, LOWER_LAYER.",
        |p| Some(names(attr::names::exe_flags(p.exe_flags())));
    process Number proc_exeino
        "sf.proc.exeino", "Executable inode", "Inode of the executable.",
        |p| not_zero(p.exe_ino());
    process Number proc_exectime
        "sf.proc.exectime", "Executable change", "Change time of the inode of the executable in ns since the epoch.",
        |p| not_zero(p.exe_ctime());
    process Numbers proc_apid
        "sf.proc.apid", "Ancestor pids", "Pids of the process and its ancestors.",
        |p| Some(p.ancestors().map(|a| a.oid().hpid as u64).collect::<Vec<u64>>());
    process Texts proc_aname
        "sf.proc.aname", "Ancestor names", "Names of the process and its ancestors.",
        |p| Some(ancestors(p, |a| attr::path::base_name(a.exe().trim()).to_owned()));
    process Texts proc_aexe
        "sf.proc.aexe", "Ancestor executables", "Executables of the process and its ancestors.",
        |p| Some(ancestors(p, |a| a.exe().trim().to_owned()));
    process Texts proc_acmdline
        "sf.proc.acmdline", "Ancestor command lines", "Command lines of the process and its ancestors, secrets masked.",
        |p| Some(ancestors(p, command_line));
    file Text file_oid
        "sf.file.oid", "File id", "Identity of the file that the event is about: SHA-1 of container id and path.",
        |f| Some(f.oid.to_string());
    file Text file_path
        "sf.file.path", "File path", "Path of the file that the event is about; of a link or rename the old one.",
        |f| file_path(f);
    file Text file_name
        "sf.file.name", "File name", "Last element of that path.",
        |f| file_name(f);
    file Text file_directory
        "sf.file.directory", "File directory", "Directory of that path.",
        |f| file_directory(f);
    file Text file_symlink
        "sf.file.symlink", "File socket", "Kernel addresses of a unix socket.",
        |f| file_symlink(f);
    file Text file_type_of
        "sf.file.type", "File type", "f file, d directory, p pipe, u unix socket, ? not known.",
        |f| attr::path::file_type(f).map(String::from);
    new_file Text file_newoid
        "sf.file.newoid", "New file id", "Identity of the new file of a link or rename: SHA-1 of container id and path.",
        |f| Some(f.oid.to_string());
    new_file Text file_newpath
        "sf.file.newpath", "New file path", "Path of the new file of a link or rename.",
        |f| file_path(f);
    new_file Text file_newname
        "sf.file.newname", "New file name", "Last element of that path.",
        |f| file_name(f);
    new_file Text file_newdirectory
        "sf.file.newdirectory", "New file directory", "Directory of that path.",
        |f| file_directory(f);
    new_file Text file_newsymlink
        "sf.file.newsymlink", "New file socket", "Kernel addresses of a unix socket.",
        |f| file_symlink(f);
    connection Text net_sip
        "sf.net.sip", "Client", "Address of the client.",
        |c| Some(c.client.ip.to_string());
    connection Number net_sport
        "sf.net.sport", "Client port", "Port of the client.",
        |c| Some(u64::from(c.client.port));
    connection Text net_dip
        "sf.net.dip", "Server", "Address of the server.",
        |c| Some(c.server.ip.to_string());
    connection Number net_dport
        "sf.net.dport", "Server port", "Port of the server.",
        |c| Some(u64::from(c.server.port));
    connection Texts net_ip
        "sf.net.ip", "Addresses", "Addresses of client and server.",
        |c| Some(vec![c.client.ip.to_string(), c.server.ip.to_string()]);
    connection Numbers net_port
        "sf.net.port", "Ports", "Ports of client and server.",
        |c| Some(vec![u64::from(c.client.port), u64::from(c.server.port)]);
    connection Number net_proto
        "sf.net.proto", "Protocol", "Protocol: 6 tcp, 17 udp, 1 icmp, 254 raw.",
        |c| c.proto.map(u64::from);
    thread Text node_id
        "sf.node.id", "Node", "Name of the node.",
        |t| said(t.recorder.node());
    process Text container_id
        "sf.container.id", "Container", "Container of the process, 12 hex digits.",
        |p| said(p.container_id()?);
    process Text container_name
        "sf.container.name", "Container name", "Name of the container.",
        |p| told(p, |c| c.name);
    process Text container_image
        "sf.container.image", "Container image", "Image of the container, with tag.",
        |p| told(p, |c| c.image);
    process Text container_imageid
        "sf.container.imageid", "Container image id", "Digest of the image.",
        |p| told(p, |c| c.imageid);
    process Text container_type
        "sf.container.type", "Container type", "Runtime of the container: DOCKER, CRI, CONTAINERD, CRIO, CUSTOM ...",
        |p| Some(attr::names::container_type(p.container()?.container_type));
    process Number container_privileged
        "sf.container.privileged", "Privileged", "1 if the container is privileged, else 0.",
        |p| Some(u64::from(p.container()?.privileged));
    process Text pod_id
        "sf.pod.id", "Pod id", "Uid of the container's pod.",
        |p| pod(p, |pod| pod.id);
    process Text pod_name
        "sf.pod.name", "Pod", "Name of the pod.",
        |p| pod(p, |pod| pod.name);
    process Text pod_namespace
        "sf.pod.namespace", "Namespace", "Namespace of the pod.",
        |p| pod(p, |pod| pod.namespace);
    process Text pod_nodename
        "sf.pod.nodename", "Pod node", "Node of the pod.",
        |p| pod(p, |pod| pod.node_name);
    process Texts pod_internalip
        "sf.pod.internalip", "Pod addresses", "Addresses of the pod.",
        |p| Some(p.pod()?.internal_ip.iter().map(|ip| attr::names::ipv4(*ip as i32).to_string()).collect::<Vec<_>>());
}
