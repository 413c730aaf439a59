//! Operations: SysFlow's names of them (`sf.opflags`), and the system calls that each stands for (`evt.type`).

use sysflow::record::{Kind, Record, op};

use crate::kinds::KindSet;

/// One operation.
#[derive(Debug)]
pub(crate) struct Op {
    pub(crate) bit: i32,
    /// Name in `sf.opflags`.
    pub(crate) name: &'static str,
    /// Kinds of records that carry it under this name.
    pub(crate) kinds: KindSet,
    /// Names in `evt.type`, the usual one first.
    pub(crate) calls: &'static [&'static str],
    /// Whether the record's first argument says which of the calls it was.
    pub(crate) told: bool,
}

/// Operations that a comparison asks for, by record kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct OpMasks([i32; 12]);

const PE: KindSet = KindSet::of(&[Kind::ProcessEvent]);
const PE_PF: KindSet = KindSet::of(&[Kind::ProcessEvent, Kind::ProcessFlow]);
const NF: KindSet = KindSet::of(&[Kind::NetworkFlow]);
const FF: KindSet = KindSet::of(&[Kind::FileFlow]);
const FE: KindSet = KindSet::of(&[Kind::FileEvent]);
const FF_FE: KindSet = KindSet::of(&[Kind::FileFlow, Kind::FileEvent]);
const NF_FF: KindSet = KindSet::of(&[Kind::NetworkFlow, Kind::FileFlow]);

const fn op(bit: i32, name: &'static str, kinds: KindSet, calls: &'static [&'static str]) -> Op {
    Op { bit, name, kinds, calls, told: false }
}

/// Of calls that differ much: the plugin writes down which one it was.
const fn told(bit: i32, name: &'static str, calls: &'static [&'static str]) -> Op {
    Op { bit, name, kinds: PE, calls, told: true }
}

/// In the order in which SysFlow lists names.
pub(crate) static OPS: &[Op] = &[
    op(op::MKDIR, "MKDIR", FE, &["mkdir", "mkdirat"]),
    op(op::RMDIR, "RMDIR", FE, &["rmdir"]),
    op(op::LINK, "LINK", FE, &["link", "linkat"]),
    op(op::SYMLINK, "SYMLINK", FE, &["symlink", "symlinkat"]),
    op(op::UNLINK, "UNLINK", FE, &["unlink", "unlinkat"]),
    op(op::RENAME, "RENAME", FE, &["rename", "renameat", "renameat2"]),
    op(op::CLONE, "CLONE", PE_PF, &["clone", "clone3", "fork", "vfork"]),
    op(op::EXEC, "EXEC", PE, &["execve", "execveat"]),
    op(op::EXIT, "EXIT", PE_PF, &["procexit", "exit", "exit_group"]),
    op(op::SETUID, "SETUID", PE, &["setuid", "setresuid", "setreuid"]),
    op(op::OPEN, "OPEN", FF_FE, &["open", "openat", "openat2", "creat", "open_by_handle_at"]),
    op(op::ACCEPT, "ACCEPT", NF, &["accept", "accept4"]),
    op(op::CONNECT, "CONNECT", NF_FF, &["connect"]),
    op(op::CLOSE, "CLOSE", NF_FF, &["close"]),
    op(op::WRITE_SEND, "SEND", NF, &["sendto", "send", "sendmsg", "sendmmsg", "write", "writev"]),
    op(op::WRITE_SEND, "WRITE", FF, &["write", "writev", "pwrite", "pwritev"]),
    op(op::READ_RECV, "RECV", NF, &["recvfrom", "recv", "recvmsg", "recvmmsg", "read", "readv"]),
    op(op::READ_RECV, "READ", FF, &["read", "readv", "pread", "preadv"]),
    op(op::SETNS, "SETNS", FF, &["setns"]),
    // Without a file below /proc/PID/ns: new namespaces, and those of a pidfd's process.
    told(op::SETNS, "SETNS", &["setns", "unshare"]),
    op(op::MMAP, "MMAP", FF, &["mmap", "mmap2"]),
    op(op::SHUTDOWN, "SHUTDOWN", NF_FF, &["shutdown"]),
    op(op::TRUNCATE, "TRUNCATE", KindSet::of(&[Kind::NetworkFlow, Kind::FileFlow, Kind::ProcessFlow]), &[]),
    op(op::DIGEST, "DIGEST", FF, &[]),
    op(op::CHMOD, "CHMOD", FE, &["chmod", "fchmod", "fchmodat"]),
    op(op::CHOWN, "CHOWN", FE, &["chown", "fchown", "lchown", "fchownat"]),
    op(op::MOUNT, "MOUNT", FE, &["mount"]),
    op(op::UMOUNT, "UMOUNT", FE, &["umount2", "umount"]),
    op(op::MKNOD, "MKNOD", FE, &["mknod", "mknodat"]),
    op(op::BIND, "BIND", NF, &["bind"]),
    op(op::LISTEN, "LISTEN", NF, &["listen"]),
    told(op::PTRACE, "PTRACE", &["ptrace", "process_vm_writev"]),
    told(
        op::KERNEL,
        "KERNEL",
        &["init_module", "finit_module", "delete_module", "bpf", "kexec_load", "kexec_file_load"],
    ),
    op(op::SIGNAL, "SIGNAL", PE, &["kill", "tkill", "tgkill"]),
];

/// Operations of a record; 0 for kinds that have none.
pub(crate) fn flags(record: &Record) -> i32 {
    match record {
        Record::ProcessEvent(r) => r.op_flags,
        Record::NetworkFlow(r) => r.op_flags,
        Record::FileFlow(r) => r.op_flags,
        Record::FileEvent(r) => r.op_flags,
        Record::NetworkEvent(r) => r.op_flags,
        Record::ProcessFlow(r) => r.op_flags,
        _ => 0,
    }
}

/// Operations of a record.
pub(crate) fn of(record: &Record) -> impl Iterator<Item = &'static Op> {
    let (kind, flags) = (record.kind(), flags(record));
    OPS.iter().filter(move |op| op.kinds.contains(kind) && op.bit & flags != 0)
}

impl Op {
    /// Names in `evt.type` of the calls that `record`, which has this operation, may stand for, the usual one first.
    pub(crate) fn calls_of(&self, record: &Record) -> &'static [&'static str] {
        let Record::ProcessEvent(event) = record else { return self.calls };
        if !self.told {
            return self.calls;
        }
        // An argument that names none of them is the usual call's own, such as a request to ptrace.
        let at = event.args.first().and_then(|arg| self.calls.iter().position(|call| call == arg));
        at.map_or(&self.calls[..1], |at| &self.calls[at..=at])
    }
}

impl OpMasks {
    /// Operations that `wanted` picks.
    pub(crate) fn of(wanted: impl Fn(&Op) -> bool) -> Self {
        let mut masks = Self::default();
        for op in OPS.iter().filter(|op| wanted(op)) {
            for kind in op.kinds.iter() {
                masks.0[kind as usize] |= op.bit;
            }
        }
        masks
    }

    /// Operations that `wanted` picks by record kind and bit.
    pub(crate) fn of_bits(wanted: impl Fn(Kind, i32) -> bool) -> Self {
        let mut masks = Self::default();
        for kind in KindSet::JUDGED.iter() {
            let bits = (0..32).map(|bit| 1_i32 << bit);
            masks.0[kind as usize] = bits.filter(|bit| wanted(kind, *bit)).fold(0, |all, bit| all | bit);
        }
        masks.0[Kind::K8sEvent as usize] = 0;
        masks
    }

    pub(crate) fn matches(&self, record: &Record) -> bool {
        self.0[record.kind() as usize] & flags(record) != 0
    }

    /// Bits that match on records of this kind.
    pub(crate) fn of_kind(&self, kind: Kind) -> i32 {
        self.0[kind as usize]
    }

    /// Kinds on which it can match.
    pub(crate) fn kinds(&self) -> KindSet {
        Kind::ALL
            .into_iter()
            .filter(|kind| self.0[*kind as usize] != 0)
            .fold(KindSet::NONE, |set, kind| set.union(KindSet::of(&[kind])))
    }
}
