//! Containers: their id from a process's control groups, their metadata from the runtime, whenever it comes.

use serde_json::Value;
use sysflow::record::{Container as ContainerRecord, ContainerType, Pod};

use super::{Map, Slab};
use crate::text::text;

/// Hex digits of the id that records carry.
const SHORT: usize = 12;
/// Hex digits of a full id.
const LONG: usize = 64;

/// Containers by index; 0 is the host.
#[derive(Debug)]
pub(crate) struct Containers {
    list: Slab<Container>,
    by_id: Map<String, u32>,
}

/// A container.
#[derive(Debug, Default)]
pub(crate) struct Container {
    /// Twelve hex digits; empty for the host.
    pub(crate) id: String,
    pub(crate) runtime: ContainerType,
    pub(crate) meta: Option<Meta>,
    /// Epoch in which it was last written.
    pub(crate) written: u32,
    /// Rotation in which the runtime spoke of it: it may come before the first process.
    learned: u32,
}

/// What the runtime says.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) imageid: String,
    pub(crate) privileged: bool,
    pub(crate) pod: Option<Pod>,
}

// === impl Containers ===

impl Default for Containers {
    fn default() -> Self {
        let mut list = Slab::default();
        list.insert(Container::default());
        Self { list, by_id: Map::default() }
    }
}

impl Containers {
    /// Index of the container with this id; the empty id is the host's.
    pub(crate) fn index(&mut self, id: &str, container_type: Option<ContainerType>) -> u32 {
        if id.is_empty() {
            return 0;
        }
        if let Some(index) = self.by_id.get(id) {
            return *index;
        }
        let container_type = container_type.unwrap_or(ContainerType::Custom);
        let index = self.list.insert(Container {
            id: id.to_owned(),
            runtime: container_type,
            ..Container::default()
        });
        self.by_id.insert(id.to_owned(), index);
        index
    }

    /// Twelve hex digits; empty for the host.
    pub(crate) fn id(&self, index: u32) -> &str {
        self.list.get(index).map_or("", |container| &container.id)
    }

    /// `None` for the host.
    pub(crate) fn get(&self, index: u32) -> Option<&Container> {
        self.list.get(index).filter(|container| !container.id.is_empty())
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut Container> {
        self.list.get_mut(index).filter(|container| !container.id.is_empty())
    }

    /// Forgets the containers that are not in `used` and were not heard of lately; their indexes.
    pub(crate) fn sweep(&mut self, used: &Map<u32, ()>, rotation: u32) -> Map<u32, ()> {
        let old = |(index, container): (u32, &Container)| {
            let gone = index != 0 && !used.contains_key(&index) && container.learned + 1 < rotation;
            gone.then_some((index, ()))
        };
        let gone: Map<u32, ()> = self.list.iter().filter_map(old).collect();
        for index in gone.keys() {
            if let Some(container) = self.list.remove(*index) {
                self.by_id.remove(&container.id);
            }
        }
        gone
    }

    /// Takes in what a runtime says; the index of the container, or `None` when the text says nothing.
    pub(crate) fn learn(&mut self, json: &[u8], limit: usize, rotation: u32) -> Option<u32> {
        let json = json.strip_suffix(b"\0").unwrap_or(json);
        let value: Value = serde_json::from_slice(json).ok()?;
        let value = value.get("container").unwrap_or(&value);
        let id = short_id(string(value, "id"));
        // The host is listed as a container of its own by some runtimes.
        if id.is_empty() || id == "host" {
            return None;
        }
        let container_type = container_type(value.get("type"));
        let index = self.index(&id, container_type);
        let meta = Meta {
            name: cut(string(value, "name"), limit),
            image: image(value, limit),
            imageid: cut(string(value, "imageid"), limit),
            privileged: value.get("privileged").and_then(Value::as_bool).unwrap_or(false),
            pod: pod(value, limit),
        };
        let container = self.list.get_mut(index)?;
        container.runtime = container_type.unwrap_or(container.runtime);
        container.meta = Some(meta);
        container.learned = rotation;
        Some(index)
    }
}

impl Container {
    /// The record; `incomplete` while the runtime has said nothing.
    pub(crate) fn record(&self) -> ContainerRecord {
        let meta = self.meta.as_ref();
        ContainerRecord {
            id: self.id.clone(),
            name: meta.map_or_else(|| "incomplete".into(), |m| m.name.clone()),
            image: meta.map_or_else(|| "incomplete:incomplete".into(), |m| m.image.clone()),
            imageid: meta.map_or_else(String::new, |m| m.imageid.clone()),
            container_type: self.runtime,
            privileged: meta.is_some_and(|m| m.privileged),
            pod_id: meta.and_then(|m| m.pod.as_ref()).map(|pod| pod.id.clone()),
        }
    }
}

/// Container id and type that a list of `subsystem=path` names; `None` on the host.
pub(crate) fn from_cgroups<'a>(
    cgroups: impl Iterator<Item = &'a [u8]>,
) -> Option<(String, Option<ContainerType>)> {
    // A subsystem may be `name=systemd`; a path begins with a slash.
    let path = |entry: &'a [u8]| entry.windows(2).position(|pair| pair == b"=/").map(|at| &entry[at + 1..]);
    cgroups.filter_map(path).find_map(from_cgroup)
}

/// What stands before an id with systemd as driver (`docker-ID.scope`), and in the middle where a runtime writes systemd's
/// form with cgroupfs (`SLICE:cri-containerd:ID`).
const RUNTIMES: [(&[u8], ContainerType); 7] = [
    (b"docker", ContainerType::Docker),
    (b"libpod-payload", ContainerType::Custom),
    (b"libpod", ContainerType::Custom),
    (b"crio", ContainerType::Crio),
    (b"cri-containerd", ContainerType::Cri),
    (b"nerdctl", ContainerType::Containerd),
    (b"containerd", ContainerType::Containerd),
];

/// What one path names: its last part that a runtime has made. What an init system in the container makes comes after.
fn from_cgroup(path: &[u8]) -> Option<(String, Option<ContainerType>)> {
    let mut parts = path.rsplit(|byte| *byte == b'/').peekable();
    while let Some(part) = parts.next() {
        let part = part.strip_suffix(b".scope").unwrap_or(part);
        let parent = parts.peek().copied().unwrap_or_default();
        // The monitor of a container is no part of it.
        if [&b"libpod-conmon-"[..], b"crio-conmon-", b"lxc.monitor"].iter().any(|name| part.starts_with(name))
        {
            return None;
        }
        let mut fields = part.rsplit(|byte| *byte == b':');
        if let (Some(id), Some(runtime), Some(_)) =
            (fields.next().and_then(hex_id), fields.next(), fields.next())
        {
            let known = RUNTIMES.iter().find(|(name, _)| *name == runtime);
            return Some((id, known.map(|(_, container_type)| *container_type)));
        }
        for (name, container_type) in RUNTIMES {
            let id = part.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"-"));
            if let Some(id) = id.and_then(hex_id) {
                return Some((id, Some(container_type)));
            }
        }
        if let Some(id) = hex_id(part) {
            let in_pod = parent.starts_with(b"pod") || parent.starts_with(b"kubepods");
            let container_type = match parent {
                b"docker" => Some(ContainerType::Docker),
                _ if in_pod => Some(ContainerType::Cri),
                _ if parent.starts_with(b"libpod") => Some(ContainerType::Custom),
                _ => None,
            };
            return Some((id, container_type));
        }
        let is_below = matches!(parent, b"lxc" | b"lxc.payload");
        if let Some(name) =
            part.strip_prefix(b"lxc.payload.").or_else(|| is_below.then_some(part)).and_then(name)
        {
            return Some((name, Some(ContainerType::Lxc)));
        }
    }
    None
}

/// The id that records carry: of a full one its beginning, of a name all.
pub(crate) fn short_id(id: &str) -> String {
    hex_id(id.as_bytes()).unwrap_or_else(|| cut(id, LONG))
}

fn hex_id(part: &[u8]) -> Option<String> {
    let is_id = part.len() == LONG && part.iter().all(u8::is_ascii_hexdigit);
    is_id.then(|| String::from_utf8_lossy(&part[..SHORT]).into_owned())
}

/// The name of an LXC container, which is its id.
fn name(part: &[u8]) -> Option<String> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let is_good = (1..=LONG).contains(&part.len()) && part.iter().all(is_name);
    is_good.then(|| String::from_utf8_lossy(part).into_owned())
}

/// The numbers of Falco's libraries, and the names that its container plugin uses.
fn container_type(value: Option<&Value>) -> Option<ContainerType> {
    let by_number = |n| match n {
        0 => Some(ContainerType::Docker),
        1 => Some(ContainerType::Lxc),
        2 => Some(ContainerType::LibvirtLxc),
        3 => Some(ContainerType::Mesos),
        4 => Some(ContainerType::Rkt),
        6 => Some(ContainerType::Cri),
        7 => Some(ContainerType::Containerd),
        8 => Some(ContainerType::Crio),
        9 => Some(ContainerType::Bpm),
        _ => Some(ContainerType::Custom),
    };
    match value? {
        Value::Number(n) => by_number(n.as_u64()?),
        Value::String(name) => match name.as_str() {
            "docker" => Some(ContainerType::Docker),
            "lxc" => Some(ContainerType::Lxc),
            "cri" => Some(ContainerType::Cri),
            "containerd" => Some(ContainerType::Containerd),
            "cri-o" | "crio" => Some(ContainerType::Crio),
            _ => Some(ContainerType::Custom),
        },
        _ => None,
    }
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn cut(value: &str, limit: usize) -> String {
    text(value.as_bytes(), limit)
}

/// Repository and tag; runtimes put the tag into the image's name or beside it.
fn image(value: &Value, limit: usize) -> String {
    let image = string(value, "image");
    let tag = string(value, "imagetag");
    let last = image.rsplit('/').next().unwrap_or(image);
    if tag.is_empty() || last.contains(':') || image.contains('@') {
        cut(image, limit)
    } else {
        cut(&format!("{image}:{tag}"), limit)
    }
}

/// The pod that Kubernetes' labels name.
fn pod(value: &Value, limit: usize) -> Option<Pod> {
    let labels = value.get("labels").and_then(Value::as_object);
    let sandbox = value.get("pod_sandbox_labels").and_then(Value::as_object);
    let label = |key: &str| {
        let from = |map: Option<&serde_json::Map<String, Value>>| map?.get(key)?.as_str().map(str::to_owned);
        from(labels).or_else(|| from(sandbox))
    };
    let name = label("io.kubernetes.pod.name")?;
    let namespace = label("io.kubernetes.pod.namespace").unwrap_or_default();
    // Some runtimes do not pass the uid on; name and namespace are unique at a time.
    let id = label("io.kubernetes.pod.uid").unwrap_or_else(|| format!("{namespace}/{name}"));
    let mut all = std::collections::BTreeMap::new();
    for (key, value) in sandbox.into_iter().chain(labels).flatten() {
        if let Some(value) = value.as_str().filter(|_| !key.starts_with("io.kubernetes.")) {
            all.insert(cut(key, limit), cut(value, limit));
        }
    }
    let ip: Option<std::net::Ipv4Addr> = string(value, "ip").parse().ok();
    Some(Pod {
        ts: 0,
        id: cut(&id, limit),
        name: cut(&name, limit),
        node_name: String::new(),
        host_ip: Vec::new(),
        internal_ip: ip
            .filter(|ip| !ip.is_unspecified())
            .map(|ip| i64::from(u32::from_le_bytes(ip.octets())))
            .into_iter()
            .collect(),
        namespace: cut(&namespace, limit),
        restart_count: 0,
        labels: all,
        selectors: std::collections::BTreeMap::new(),
        services: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "e8febe1a20e50eb223c79826220d523af5efc29cd70295cc3742cb6bd05ef035";

    /// Paths as the runtimes make them, with both drivers, in both versions of control groups. `ID` is an id.
    #[test]
    fn cgroups_name_containers() {
        use ContainerType::{Containerd, Cri, Crio, Custom, Docker, Lxc};
        for (path, want) in [
            // docker: cgroupfs, systemd, rootless, cgroupfs with systemd's form, in a cgroup of the user's choice
            ("/docker/ID", Some(Some(Docker))),
            ("/system.slice/docker-ID.scope", Some(Some(Docker))),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/docker-ID.scope", Some(Some(Docker))),
            ("/system.slice:docker:ID", Some(Some(Docker))),
            ("/actions_job/ID", Some(None)),
            ("/ecstasks.slice/ecstasks-0123.slice/docker-ID.scope", Some(Some(Docker))),
            // what an init system in the container makes, and a container in a container
            ("/docker/ID/system.slice/nginx.service", Some(Some(Docker))),
            ("/system.slice/docker-ID.scope/init.scope", Some(Some(Docker))),
            ("/docker/OUTER/kubelet/kubepods/burstable/pod1-2/ID", Some(Some(Cri))),
            ("/lxc.payload.web/docker/ID", Some(Some(Docker))),
            // podman: systemd, cgroupfs, rootless, in a pod, in a unit of systemd
            ("/machine.slice/libpod-ID.scope", Some(Some(Custom))),
            ("/machine.slice/libpod-ID.scope/container", Some(Some(Custom))),
            ("/libpod_parent/libpod-ID", Some(Some(Custom))),
            ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope", Some(Some(Custom))),
            ("/machine.slice/machine-libpod_pod_OUTER.slice/libpod-ID.scope", Some(Some(Custom))),
            ("/system.slice/shop.service/libpod-payload-ID", Some(Some(Custom))),
            ("/machine.slice/libpod-conmon-ID.scope", None),
            ("/libpod_parent/conmon", None),
            // CRI-O and containerd under Kubernetes: systemd, cgroupfs
            ("/kubepods.slice/kubepods-podU.slice/crio-ID.scope", Some(Some(Crio))),
            ("/kubepods.slice/kubepods-podU.slice/crio-ID.scope/container", Some(Some(Crio))),
            ("/kubepods/besteffort/podU/crio-ID", Some(Some(Crio))),
            ("/kubepods.slice/kubepods-podU.slice/crio-conmon-ID.scope", None),
            ("/kubepods.slice/kubepods-podU.slice/cri-containerd-ID.scope", Some(Some(Cri))),
            ("/kubepods/besteffort/podU/ID", Some(Some(Cri))),
            ("/kubepods.slice/kubepods-podU.slice/ID", Some(Some(Cri))),
            ("/system.slice/kubepods-podU.slice:cri-containerd:ID", Some(Some(Cri))),
            ("/kubepods-podU.slice:crio:ID", Some(Some(Crio))),
            // containerd by itself: nerdctl, ctr
            ("/system.slice/nerdctl-ID.scope", Some(Some(Containerd))),
            ("/default/ID", Some(None)),
            // LXC, LXD, Incus: they are known by name
            ("/lxc/ID", Some(None)),
            ("/lxc.monitor.web", None),
            // hosts
            ("/user.slice/user-0.slice/session-1.scope", None),
            ("/system.slice/docker.service", None),
            ("/system.slice/containerd.service", None),
            ("/kubepods.slice/kubepods-podU.slice", None),
            ("/system.slice/run-docker-netns-ID.mount", None),
            ("/x/IDf", None),
            ("/docker/short", None),
            ("/init.scope", None),
            ("/", None),
            ("", None),
        ] {
            let path = path.replace("ID", ID).replace("OUTER", &ID.replace('e', "f"));
            for subsystem in ["memory", "", "name=systemd"] {
                let entry = format!("{subsystem}={path}");
                let got = from_cgroups([entry.as_bytes()].into_iter());
                assert_eq!(got, want.map(|t| ("e8febe1a20e5".to_owned(), t)), "{entry}");
            }
        }
        for path in ["/lxc/web", "/lxc.payload/web", "/lxc.payload.web/system.slice/x.service"] {
            let got = from_cgroup(path.as_bytes());
            assert_eq!(got, Some(("web".to_owned(), Some(Lxc))), "{path}");
        }
        assert_eq!(from_cgroup(b"/lxc/a b"), None);
        // One subsystem of the first version is enough, and `=` is a letter like others in a path.
        let entries = ["cpu=/".to_owned(), "memory=/user.slice".to_owned(), format!("pids=/docker/{ID}")];
        assert!(from_cgroups(entries.iter().map(String::as_bytes)).is_some());
        assert!(from_cgroups([format!("memory=/a=b/docker-{ID}.scope").as_bytes()].into_iter()).is_some());
    }

    #[test]
    fn metadata_is_taken_as_the_container_plugin_writes_it() {
        let mut all = Containers::default();
        let json = br#"{"container":{"type":11,"id":"e8febe1a20e5","name":"shop","image":"localhost/shop","imagetag":"1.4",
            "imageid":"abc","ip":"10.88.0.2","privileged":true,"labels":{"app":"shop","io.kubernetes.pod.uid":"u-1",
            "io.kubernetes.pod.name":"shop-0","io.kubernetes.pod.namespace":"shop"}}}"#;
        let index = all.learn(json, 100, 1).unwrap();
        let record = all.list.get(index).unwrap().record();
        assert_eq!((record.name.as_str(), record.image.as_str()), ("shop", "localhost/shop:1.4"));
        assert!(record.privileged);
        let pod = all.list.get(index).unwrap().meta.as_ref().unwrap().pod.as_ref().unwrap();
        assert_eq!((pod.name.as_str(), pod.internal_ip.as_slice()), ("shop-0", &[0x0200_580a][..]));
        assert_eq!(pod.labels.len(), 1);
        assert_eq!(all.learn(b"{\"container\":{}}", 100, 1), None);
        assert_eq!(all.learn(b"nonsense", 100, 1), None);
    }
}
