//! Events of processes.

use sysflow::record::exe_flags;
use sysflow_flow::op::{Clone, Exec, Ignored, Image, KernelArg, Op, UidCall};

use super::{Malformed, Raw, code};

/// `-ENOEXEC` and the like come with the caller's image; nothing but the file name says what was tried.
const FILENAME: usize = 30;

/// Commands of bpf(2) that make something run in the kernel: `BPF_PROG_LOAD`, `BPF_PROG_ATTACH`,
/// `BPF_RAW_TRACEPOINT_OPEN`, `BPF_LINK_CREATE`.
const BPF_LOADS: [u32; 4] = [5, 8, 17, 28];

/// Bits of an exec's flags (libs: driver/ppm_events_public.h, `PPM_EXE_*`), and ours.
const EXE_FLAGS: [(u32, i32); 4] = [
    (1, exe_flags::WRITABLE),
    (1 << 1, exe_flags::UPPER_LAYER),
    (1 << 2, exe_flags::MEMFD),
    (1 << 3, exe_flags::LOWER_LAYER),
];

/// The fields that clone and exec share, at the same indexes.
fn image<'a>(raw: &Raw<'a>) -> Image<'a> {
    Image {
        exe: raw.str(1),
        args: raw.bytes(2),
        pid: raw.i64(4).unwrap_or(0),
        ptid: raw.i64(5).unwrap_or(0),
        cwd: raw.str(6),
        cgroups: raw.bytes(14),
        uid: None,
        gid: None,
    }
}

pub(super) fn clone<'a>(raw: &Raw<'a>) -> Result<Op<'a>, Malformed> {
    Ok(Op::Clone(Clone {
        ret: raw.need(0)?,
        clone3: raw.code == code::CLONE3_X,
        image: Image { uid: raw.u32(16), gid: raw.u32(17), ..image(raw) },
        flags: raw.u32(15).unwrap_or(0),
        vtid: raw.i64(18),
        vpid: raw.i64(19),
    }))
}

pub(super) fn exec<'a>(raw: &Raw<'a>) -> Result<Op<'a>, Malformed> {
    let flags = raw.u32(19).unwrap_or(0);
    let exe_flags = EXE_FLAGS.iter().filter(|(theirs, _)| flags & theirs != 0).map(|(_, ours)| ours).sum();
    Ok(Op::Exec(Exec {
        ret: raw.need(0)?,
        execveat: raw.code == code::EXECVEAT_X,
        image: Image { uid: raw.u32(26), gid: raw.u32(29), ..image(raw) },
        env: raw.bytes(15),
        path: raw.str(27),
        filename: raw.str(FILENAME),
        tty: raw.u32(16),
        loginuid: raw.u32(18),
        cap_effective: raw.u64(22),
        exe_flags,
        exe_ino: raw.u64(23).unwrap_or(0),
        // Drivers on kernels with finer timestamps give numbers that are none: centuries ahead.
        exe_ctime: raw.u64(24).filter(|ctime| i64::try_from(*ctime).is_ok()).unwrap_or(0),
    }))
}

pub(super) fn change<'a>(raw: &Raw<'a>) -> Result<Op<'a>, Malformed> {
    use code::*;
    let ret = raw.need(0)?;
    Ok(match raw.code {
        PROCEXIT_1_E => Op::Exit { status: ret },
        SETUID_X => Op::SetUid { ret, call: UidCall::Setuid, asked: raw.u32(1), effective: raw.u32(1) },
        SETREUID_X => Op::SetUid { ret, call: UidCall::Setreuid, asked: raw.u32(1), effective: raw.u32(2) },
        SETRESUID_X => Op::SetUid { ret, call: UidCall::Setresuid, asked: raw.u32(1), effective: raw.u32(2) },
        SETGID_X => Op::SetGid { ret, effective: raw.u32(1) },
        SETREGID_X | SETRESGID_X => Op::SetGid { ret, effective: raw.u32(2) },
        SETSID_X => Op::SetSid { ret },
        CAPSET_X => Op::Capset { ret, effective: raw.u64(3).unwrap_or(0) },
        CHDIR_X => Op::Chdir { ret, path: raw.str(1) },
        FCHDIR_X => Op::Fchdir { ret, fd: raw.need(1)? },
        CHROOT_X => Op::Chroot { ret, path: raw.str(1) },
        SETNS_X => Op::SetNs { ret, fd: raw.need(1)?, kinds: raw.u32(2).unwrap_or(0) },
        UNSHARE_X => Op::Unshare { ret, flags: raw.u32(1).unwrap_or(0) },
        PROCESS_VM_WRITEV_X => Op::VmWrite { ret, pid: raw.need(1)? },
        PTRACE_X => match (raw.u16(3), raw.i64(4)) {
            (Some(request), Some(pid)) => Op::Ptrace { ret, request, pid },
            _ => Op::Nothing(Ignored::Kind),
        },
        KILL_X | TKILL_X => Op::Signal { ret, pid: raw.need(1)?, signal: raw.u8(2).unwrap_or(0) },
        TGKILL_X => Op::Signal { ret, pid: raw.need(1)?, signal: raw.u8(3).unwrap_or(0) },
        INIT_MODULE_X => Op::Kernel { ret, what: "init_module", arg: KernelArg::Text(raw.str(3)) },
        FINIT_MODULE_X => {
            Op::Kernel { ret, what: "finit_module", arg: KernelArg::Fd(raw.i64(1).unwrap_or(-1)) }
        }
        DELETE_MODULE_X => Op::Kernel { ret, what: "delete_module", arg: KernelArg::Text(raw.str(1)) },
        BPF_2_X => match raw.u32(1) {
            Some(command) if BPF_LOADS.contains(&command) => {
                Op::Kernel { ret, what: "bpf", arg: KernelArg::Number(u64::from(command)) }
            }
            // Maps and links are descriptors too; other commands return no small positive number but 0.
            _ if ret > 2 => Op::OtherFd { ret, cloexec: true },
            _ => Op::Nothing(Ignored::Kind),
        },
        _ => Op::Nothing(Ignored::Kind),
    })
}
