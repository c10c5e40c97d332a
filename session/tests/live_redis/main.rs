//! The store on a real Redis: the kit, what is on the server, scripts that are forgotten, and servers that fail.

mod cluster;
mod faults;
mod kept;
mod kit;
mod resharding;
mod scripts;
mod world;
