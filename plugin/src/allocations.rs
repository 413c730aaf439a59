//! Counts allocations of the running thread, to prove that the hot path makes none.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use sysflow_flow::{Config, NoHost, Recorder};

use crate::{
    Discard,
    events::{Raw, code, decode},
};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator as it came; counting touches no heap.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // The count is gone while a thread ends: that one allocation is not counted.
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the memory came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn event(ts: u64, code: u16, params: &[&[u8]]) -> Vec<u8> {
    sysflow_replay::event::build(ts, 100, code, params).unwrap()
}

fn apply(recorder: &mut Recorder, bytes: &[u8]) {
    let event = sysflow_replay::RawEvent::parse(bytes).unwrap();
    let payload = &bytes[sysflow_replay::event::HEADER_LEN..];
    let raw = Raw::new(event.ts(), event.tid(), event.code(), event.nparams(), payload).unwrap();
    recorder.apply(&decode(&raw).unwrap(), &mut NoHost, &mut Discard);
}

#[test]
fn an_operation_on_a_known_descriptor_allocates_nothing() {
    let n = |value: i64| value.to_le_bytes();
    let mut recorder = Recorder::new(Config::default());
    let process = sysflow_flow::Initial { tid: 100, pid: 100, ..Default::default() };
    recorder.start([process], &mut Discard);
    let open = event(1, code::OPENAT_2_X, &[&n(3), &n(-100), b"/x\0", &1_u32.to_le_bytes()]);
    let tuple =
        [&[2][..], &[10, 0, 0, 1], &1_u16.to_le_bytes(), &[10, 0, 0, 2], &2_u16.to_le_bytes()].concat();
    let accept = event(1, code::ACCEPT4_6_X, &[&n(4), &tuple]);
    let read = event(2, code::READ_X, &[&n(10), b"data", &n(3), &10_u32.to_le_bytes()]);
    let write = event(2, code::WRITE_X, &[&n(10), b"data", &n(3), &10_u32.to_le_bytes()]);
    let receive = event(2, code::RECVFROM_X, &[&n(10), b"data", &tuple, &n(4), &10_u32.to_le_bytes()]);
    let send = event(2, code::SENDTO_X, &[&n(10), b"data", &n(4), &10_u32.to_le_bytes(), &[]]);
    for first in [&open, &accept, &read, &write, &receive, &send] {
        apply(&mut recorder, first);
    }
    let before = COUNT.with(Cell::get);
    for _ in 0..1_000 {
        for event in [&read, &write, &receive, &send] {
            apply(&mut recorder, event);
        }
    }
    assert_eq!(COUNT.with(Cell::get) - before, 0);
    assert_eq!(recorder.counters().folded, 4_006);
}
