fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Only what is listed here can be named in a capability; everything else is refused.
    let commands = tauri_build::AppManifest::new().commands(&[
        "request",
        "events",
        "start_agent",
        "follow_log",
        "leave_log",
    ]);
    let attributes = tauri_build::Attributes::new().app_manifest(commands);
    Ok(tauri_build::try_build(attributes)?)
}
