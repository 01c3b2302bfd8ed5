//! What only launchd does, against its stand-in.

use std::fs;

use steady_supervise::manager::Manager;

use crate::common::{kill, wait_until};
use crate::kit::{Kind, Kit, stays, uid, wait_until_gone};

fn kit() -> Kit {
    Kit::server(Kind::Launchd).unwrap()
}

/// A job of the user's own that runs the server, as its file.
fn own_job(kit: &Kit, label: &str, file: &str) -> std::path::PathBuf {
    let folder = kit.world.home().join("LaunchAgents");
    fs::create_dir_all(&folder).unwrap();
    let words = kit.spec.command.iter().map(|word| word.replace('&', "&amp;"));
    let words = words.collect::<Vec<_>>().join("</string><string>");
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\"><dict><key>Label</key><string>{label}</string>\
         <key>ProgramArguments</key><array><string>{words}</string></array><key>KeepAlive</key><true/>\
         <key>EnvironmentVariables</key><dict><key>STEADY_HOME</key><string>{}</string></dict></dict></plist>\n",
        kit.world.home().display()
    );
    let path = folder.join(file);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn left_alone_a_job_comes_back_by_itself_and_is_found_as_the_new_process() {
    let kit = kit();
    let manager = kit.launchd();
    let first = manager.start().unwrap();
    kit.wait_until_it_answers();
    kill(first.pid);
    wait_until("launchd starts it again", || manager.find().unwrap().is_some_and(|id| id != first));
    let second = manager.start().unwrap();
    assert_eq!(kit.wait_until_it_answers(), second.pid);
    assert_eq!(kit.copies(), [second.pid]);
}

#[test]
fn a_job_of_the_users_own_is_loaded_found_and_booted_out_but_never_written() {
    let kit = kit().with_unit("com.own.api");
    let file = own_job(&kit, "com.own.api", "another name.plist");
    let (text, manager) = (fs::read(&file).unwrap(), kit.launchd());
    let warning = manager.warning().expect("defined but not loaded");
    assert!(warning.contains("com.own.api is defined in") && warning.contains("but not loaded"), "{warning}");
    let id = manager.start().unwrap();
    kit.wait_until_it_answers();
    assert_eq!(manager.warning(), None);
    manager.terminate(&id).unwrap();
    wait_until_gone(&id);
    assert_eq!(fs::read(&file).unwrap(), text);
    assert!(!kit.world.home().join("launchd").exists(), "nothing was generated");
}

#[test]
fn one_that_the_user_had_loaded_is_adopted_and_one_from_another_file_is_told() {
    let kit = kit().with_unit("com.own.api");
    let installed = own_job(&kit, "com.own.api", "com.own.api.plist");
    let elsewhere = kit.world.home().join("elsewhere.plist");
    fs::copy(&installed, &elsewhere).unwrap();
    let domain = format!("gui/{}", uid());
    let (code, said) = kit.launchctl(&["bootstrap", &domain, elsewhere.to_str().unwrap()]);
    assert_eq!((code, said.as_str()), (0, ""));
    let pid = kit.wait_until_it_answers();
    let manager = kit.launchd();
    assert_eq!(manager.find().unwrap().unwrap().pid, pid);
    assert_eq!(manager.start().unwrap().pid, pid);
    let warning = manager.warning().expect("loaded from another file");
    assert!(warning.contains("elsewhere.plist") && warning.contains("com.own.api.plist"), "{warning}");
}

#[test]
fn a_key_that_launchd_ignores_in_the_users_own_file_is_told() {
    let kit = kit().with_unit("com.own.api");
    let file = own_job(&kit, "com.own.api", "com.own.api.plist");
    let text = fs::read_to_string(&file).unwrap().replace("<key>KeepAlive</key>", "<key>KeepALive</key>");
    fs::write(&file, text).unwrap();
    let manager = kit.launchd();
    manager.start().unwrap();
    let warning = manager.warning().expect("an unknown key");
    assert!(
        warning.contains("launchd does not know the key KeepALive; did you mean KeepAlive?"),
        "{warning}"
    );
}

#[test]
fn a_disabled_job_is_not_forced_and_the_remedy_is_told() {
    let kit = kit();
    let manager = kit.launchd();
    let target = format!("gui/{}/{}", uid(), manager.label());
    kit.launchctl(&["disable", &target]);
    let error = manager.start().unwrap_err().to_string();
    assert!(error.contains(&format!("launchctl enable {target}")), "{error}");
    assert_eq!(manager.warning(), Some(error));
    stays("down", || manager.find().unwrap().is_none());
    kit.launchctl(&["enable", &target]);
    manager.start().unwrap();
    assert_eq!(manager.warning(), None);
}

#[test]
fn without_a_session_at_the_screen_the_job_runs_in_the_background_one_and_stays_found_after_a_login() {
    let kit = kit();
    fs::write(kit.state().join("absent"), format!("gui/{}\n", uid())).unwrap();
    let manager = kit.launchd();
    let id = manager.start().unwrap();
    let (code, said) = kit.launchctl(&["print", &format!("user/{}/{}", uid(), manager.label())]);
    assert!(code == 0 && said.contains("state = running"), "{said}");
    // Somebody logs in: it must not be started a second time there.
    fs::write(kit.state().join("absent"), "").unwrap();
    assert_eq!(manager.find().unwrap(), Some(id.clone()));
    assert_eq!(manager.start().unwrap(), id);
    manager.terminate(&id).unwrap();
    kit.wait_until_nothing_is_left();
}

#[test]
fn without_any_session_it_is_said_and_nothing_runs() {
    let kit = kit();
    fs::write(kit.state().join("absent"), format!("gui/{0}\nuser/{0}\n", uid())).unwrap();
    let error = kit.launchd().start().unwrap_err().to_string();
    assert!(error.contains("has no session with launchd"), "{error}");
    assert_eq!(kit.world.marked(), Vec::<u32>::new());
}

#[test]
fn a_changed_service_is_loaded_anew_at_its_next_start() {
    let mut kit = kit();
    let first = kit.launchd().start().unwrap();
    kit.wait_until_it_answers();
    kit.spec.stop_grace = std::time::Duration::from_secs(77);
    let manager = kit.launchd();
    assert_eq!(manager.start().unwrap(), first, "what runs is left as it is");
    let warning = manager.warning().expect("it runs by an earlier definition");
    assert!(warning.contains("earlier definition"), "{warning}");
    manager.terminate(&first).unwrap();
    kit.wait_until_nothing_is_left();
    manager.start().unwrap();
    assert!(fs::read_to_string(manager.file()).unwrap().contains("<integer>77</integer>"));
    assert_eq!(manager.warning(), None);
}

#[test]
fn a_restart_right_behind_a_stop_waits_out_the_refusals_of_launchd() {
    // It takes its time to end: the label is still there meanwhile, and a bootstrap is refused with 5.
    let script = "trap 'sleep 1; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let kit = Kit::new(Kind::Launchd, script, "stop_grace = \"100s\"").unwrap();
    let manager = kit.launchd();
    let first = manager.start().unwrap();
    wait_until("it is up", || !kit.world.log().is_empty());
    manager.terminate(&first).unwrap();
    let (code, said) =
        kit.launchctl(&["bootstrap", &format!("gui/{}", uid()), manager.file().to_str().unwrap()]);
    assert_eq!(code, 5, "{said}");
    let second = manager.start().unwrap();
    wait_until_gone(&first);
    assert_ne!(first, second);
}

#[test]
fn what_is_removed_is_neither_loaded_nor_a_file() {
    let kit = kit();
    let manager = kit.launchd();
    manager.start().unwrap();
    kit.wait_until_it_answers();
    manager.remove().unwrap();
    kit.wait_until_nothing_is_left();
    assert!(!manager.file().exists());
}

#[test]
fn a_service_that_cannot_start_says_why_in_a_file_that_stays_small() {
    let kit = kit();
    let manager = kit.launchd();
    let complaints = kit.world.home().join("launchd/brain.log");
    fs::create_dir_all(complaints.parent().unwrap()).unwrap();
    fs::write(&complaints, vec![b'x'; 2 << 20]).unwrap();
    let steady_toml = kit.world.home().join("steady.toml");
    let text = fs::read_to_string(&steady_toml).unwrap().replace("\"sh\"", "\"no-such-program\"");
    fs::write(&steady_toml, text).unwrap();
    let _ = manager.start();
    let said = || fs::read_to_string(&complaints).unwrap_or_default();
    wait_until("the complaint", || said().starts_with("the program no-such-program is in none of PATH="));
    assert!(said().len() < 1 << 20);
}
