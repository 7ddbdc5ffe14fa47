//! Generates the code of the gRPC interfaces.

fn main() -> std::io::Result<()> {
    tonic_prost_build::configure()
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        .build_transport(false)
        .compile_protos(&["cairn/v1/agent.proto", "cairn/v1/coordination.proto"], &["."])
}
