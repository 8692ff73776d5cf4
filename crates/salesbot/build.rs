//! The content folder is part of the binary: a change in it rebuilds this crate.

fn main() {
    println!("cargo::rerun-if-changed=../../content");
}
