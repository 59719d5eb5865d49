//! Compiles the protos without protoc. The descriptor set is written as the compiler encoded it: a round trip through
//! `prost_types` would drop our options and the HTTP rules.
use std::{error::Error, fs, path::PathBuf};

use prost_build::{Service, ServiceGenerator};

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
    config.enable_type_names().btree_map(["."]).extern_path(".google.rpc", "::tonic_types::pb");
    config.include_file("contract.rs").service_generator(Box::new(Sides {
        client: tonic_prost_build::configure().build_server(false).service_generator(),
        server: tonic_prost_build::configure().build_client(false).service_generator(),
    }));
    config.compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

// Streams of much, whose messages the server hands out and takes as they are on the wire.
const ENCODED: [&str; 2] =
    ["xinheng.credit.v1.Records.StreamRecords", "xinheng.discipline.v1.Checks.StreamChecks"];

// Clients read and write messages; so do servers, but for these streams.
struct Sides {
    client: Box<dyn ServiceGenerator>,
    server: Box<dyn ServiceGenerator>,
}

impl ServiceGenerator for Sides {
    fn generate(&mut self, mut service: Service, buf: &mut String) {
        self.client.generate(service.clone(), buf);
        for method in &mut service.methods {
            let name = format!("{}.{}.{}", service.package, service.proto_name, method.proto_name);
            if ENCODED.contains(&name.as_str()) {
                for message in [&mut method.input_type, &mut method.output_type] {
                    *message = format!("crate::Encoded<super::{message}>");
                }
            }
        }
        self.server.generate(service, buf);
    }
}
