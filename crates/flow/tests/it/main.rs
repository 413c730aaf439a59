//! A few literal operations in, literal records out.

mod collector;
mod conservation;
mod containers;
mod entities;
mod events;
mod files;
mod flows;
mod graphs;
mod hostile;
mod limits;
mod line;
mod losses;
mod misses;
mod modes;
mod network;
mod processes;
mod restart;
mod rollup;
mod roots;
mod scene;
mod storms;
