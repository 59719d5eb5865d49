//! Compiles the protos without protoc. The descriptor set is written as the compiler encoded it: a round trip through
//! `prost_types` would drop our options and the HTTP rules.
use std::{error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    for service in fs::read_dir(root.join("xinheng"))? {
        for version in fs::read_dir(service?.path())? {
            for file in fs::read_dir(version?.path())? {
                let path = file?.path();
                println!("cargo:rerun-if-changed={}", path.display());
                if path.extension().is_some_and(|extension| extension == "proto") {
                    files.push(path);
                }
            }
        }
    }
    files.sort();
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(&files)?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    let mut config = prost_build::Config::new();
    // Ordered maps, so that the same message always has the same bytes.
    config.enable_type_names().btree_map(["."]);
    tonic_prost_build::configure()
        .extern_path(".google.rpc", "::tonic_types::pb")
        .include_file("contract.rs")
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;
    Ok(())
}
