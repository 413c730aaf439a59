//! `user.*`, `group.*`, `container.*` and `k8s.*`.

use std::borrow::Cow;

use sysflow::{
    Joined,
    record::{Container, ContainerType},
};

use super::{Argument, FalcoField, PROC, Takes, Type, Value, no, yes};

const LABELS: &str = "labels of containers are not recorded";
const MOUNTS: &str = "mounts of containers are not recorded";
const PROBES: &str = "health checks of containers are not recorded";
const OWNERS: &str = "what created a pod is not recorded";

pub(super) static FIELDS: &[FalcoField] = &[
    yes("user.uid", Type::Number, PROC, |r, _| r.process.map_or(Value::Absent, |p| Value::Int(p.uid.into()))),
    yes("user.name", Type::Text, PROC, |r, _| r.process.map_or(Value::Absent, |p| Value::text(&p.user_name))),
    yes("user.loginuid", Type::Number, PROC, |r, _| {
        r.process.map_or(Value::Absent, |p| Value::Int(p.loginuid))
    })
    .note("-1 also stands for a trace that does not hold it"),
    yes("user.loginname", Type::Text, PROC, |r, _| match r.process {
        Some(p) if p.loginuid == i64::from(p.uid) => Value::text(&p.user_name),
        Some(p) if p.loginuid == 0 => Value::Str(Cow::Borrowed("root")),
        _ => Value::Absent,
    })
    .note("known where the login user is the process's own, or root"),
    yes("group.gid", Type::Number, PROC, |r, _| {
        r.process.map_or(Value::Absent, |p| Value::Int(p.gid.into()))
    }),
    yes("group.name", Type::Text, PROC, |r, _| {
        r.process.map_or(Value::Absent, |p| Value::text(&p.group_name))
    }),
    yes("container.id", Type::Text, PROC, |r, _| container_id(r)),
    yes("container.name", Type::Text, PROC, |r, _| match host(r) {
        Some(true) => Value::Str(Cow::Borrowed("host")),
        _ => container(r, |c| &c.name),
    }),
    yes("container.image", Type::Text, PROC, |r, _| image(r).map_or(Value::Absent, Value::text)),
    yes("container.image.id", Type::Text, PROC, |r, _| container(r, |c| &c.imageid)),
    yes("container.image.repository", Type::Text, PROC, |r, _| {
        image(r).map_or(Value::Absent, |image| Value::text(split_tag(image).0))
    }),
    yes("container.image.tag", Type::Text, PROC, |r, _| {
        image(r).and_then(|image| split_tag(image).1).map_or(Value::Absent, Value::text)
    }),
    yes("container.type", Type::Text, PROC, |r, _| match (host(r), r.container) {
        (Some(true), _) => Value::Str(Cow::Borrowed("host")),
        (_, Some(c)) => Value::Str(Cow::Borrowed(runtime(c.container_type))),
        _ => Value::Absent,
    }),
    yes("container.privileged", Type::Truth, PROC, |r, _| {
        r.container.map_or(Value::Absent, |c| Value::Bool(c.privileged))
    }),
    yes("k8s.ns.name", Type::Text, PROC, |r, _| r.pod.map_or(Value::Absent, |p| Value::text(&p.namespace))),
    yes("k8s.pod.name", Type::Text, PROC, |r, _| r.pod.map_or(Value::Absent, |p| Value::text(&p.name))),
    yes("k8s.pod.id", Type::Text, PROC, |r, _| r.pod.map_or(Value::Absent, |p| Value::text(&p.id))),
    yes("k8s.pod.uid", Type::Text, PROC, |r, _| r.pod.map_or(Value::Absent, |p| Value::text(&p.id))),
    yes("k8s.pod.label", Type::Text, PROC, |r, key| match (r.pod, key) {
        (Some(pod), Argument::Key(key)) => pod.labels.get(key).map_or(Value::Absent, |v| Value::text(v)),
        _ => Value::Absent,
    })
    .takes(Takes::Key),
    yes("k8s.pod.labels", Type::Text, PROC, |r, _| match r.pod {
        Some(pod) if !pod.labels.is_empty() => {
            let pairs: Vec<_> = pod.labels.iter().map(|(key, value)| format!("{key}:{value}")).collect();
            Value::owned(pairs.join(", "))
        }
        _ => Value::Absent,
    }),
    no("user.homedir", "home directories and shells of users are not recorded"),
    no("user.shell", "home directories and shells of users are not recorded"),
    no(
        "container.full_id",
        "only the first twelve digits of a container's id are recorded; use container.id",
    ),
    no("container.image.digest", "digests of images are not recorded; use container.image.id"),
    no("container.ip", "addresses of containers are not recorded"),
    no("container.start_ts", "start times of containers are not recorded"),
    no("container.duration", "start times of containers are not recorded"),
    no("container.cni.json", "network set-up of containers is not recorded"),
    no("container.mounts", MOUNTS),
    no("container.mount", MOUNTS),
    no("container.label", LABELS),
    no("container.labels", LABELS),
    no("container.healthcheck", PROBES),
    no("container.liveness_probe", PROBES),
    no("container.readiness_probe", PROBES),
    no("container.host_pid", "namespaces that a container shares with the host are not recorded"),
    no("container.host_network", "namespaces that a container shares with the host are not recorded"),
    no("container.host_ipc", "namespaces that a container shares with the host are not recorded"),
    no("k8s.pod.ip", "use sf.pod.internalip"),
    no("k8s.pod.full_sandbox_id", "sandboxes of pods are not recorded"),
    no("k8s.pod.sandbox_id", "sandboxes of pods are not recorded"),
    no("k8s.pod.cni.json", "network set-up of pods is not recorded"),
    no("k8s.rc.name", OWNERS),
    no("k8s.rc.id", OWNERS),
    no("k8s.svc.name", OWNERS),
    no("k8s.svc.id", OWNERS),
    no("k8s.rs.name", OWNERS),
    no("k8s.rs.id", OWNERS),
    no("k8s.deployment.name", OWNERS),
    no("k8s.deployment.id", OWNERS),
    no("k8s.ns.id", OWNERS),
];

/// Whether the process runs outside of any container.
fn host(record: &Joined<'_>) -> Option<bool> {
    record.process.map(|p| p.container_id.as_deref().is_none_or(str::is_empty))
}

/// Falco's short ids have 12 characters.
fn container_id<'a>(record: &Joined<'a>) -> Value<'a> {
    match record.process.map(|p| p.container_id.as_deref().unwrap_or_default()) {
        None => Value::Absent,
        Some("") => Value::Str(Cow::Borrowed("host")),
        Some(id) => Value::text(id.get(..12).unwrap_or(id)),
    }
}

fn container<'a>(record: &Joined<'a>, get: fn(&'a Container) -> &'a String) -> Value<'a> {
    record.container.map_or(Value::Absent, |c| Value::text(get(c)))
}

/// Until the runtime has answered, collectors write a placeholder.
fn image<'a>(record: &Joined<'a>) -> Option<&'a str> {
    record.container.map(|c| c.image.as_str()).filter(|image| *image != "incomplete:incomplete")
}

/// `registry:5000/name:tag@digest` to name and tag: a colon before the last slash is a port.
fn split_tag(image: &str) -> (&str, Option<&str>) {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    let name_start = image.rfind('/').map_or(0, |at| at + 1);
    match image[name_start..].find(':') {
        Some(at) => (&image[..name_start + at], Some(&image[name_start + at + 1..])),
        None => (image, None),
    }
}

fn runtime(container: ContainerType) -> &'static str {
    match container {
        ContainerType::Docker => "docker",
        ContainerType::Lxc => "lxc",
        ContainerType::LibvirtLxc => "libvirt-lxc",
        ContainerType::Mesos => "mesos",
        ContainerType::Rkt => "rkt",
        ContainerType::Custom => "custom",
        ContainerType::Cri => "cri",
        ContainerType::Containerd => "containerd",
        ContainerType::Crio => "cri-o",
        ContainerType::Bpm => "bpm",
    }
}

#[cfg(test)]
mod tests {
    use super::split_tag;

    #[test]
    fn images_split_into_repository_and_tag() {
        assert_eq!(split_tag("localhost:5000/shop:1.4"), ("localhost:5000/shop", Some("1.4")));
        assert_eq!(split_tag("docker.io/library/nginx"), ("docker.io/library/nginx", None));
        assert_eq!(split_tag("nginx:1.27@sha256:ab"), ("nginx", Some("1.27")));
    }
}
