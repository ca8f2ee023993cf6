//! What the target does when the API hangs, breaks, refuses, forgets, or is quicker than we are.

use super::double::{Break, Double, Fault};
use super::*;

fn break_next(double: &Double, method: &'static str, path: &'static str, times: u32, how: Break) {
    double.fault(Fault { method, path, times, how });
}

fn writes(scene: &Scene) -> usize {
    let state = scene.double.state();
    state.requests.iter().filter(|line| line.starts_with("PATCH") && !line.contains("dryRun")).count()
}

#[test]
fn kubernetes_a_write_that_is_not_answered_is_looked_at_and_not_repeated() {
    for how in [Break::CloseAfter, Break::HangAfter] {
        let scene = Scene::traffic();
        let specs = scene.stage();
        break_next(&scene.double, "PATCH", "services", 1, how);
        act(&specs[0]).unwrap();
        assert_eq!(writes(&scene), 1);
        assert_eq!(specs[0].switch().observe().unwrap(), Observation::After);
    }
    for how in [Break::CloseBefore, Break::Hang, Break::Status(500, None), Break::Status(504, None)] {
        let scene = Scene::traffic();
        let specs = scene.stage();
        break_next(&scene.double, "PATCH", "services", 1, how);
        let error = act(&specs[0]).unwrap_err();
        assert_eq!(error.code, ErrorCode::OutcomeUnknown, "{error:?}");
        assert_eq!(writes(&scene), 1, "{error:?}");
        assert!(matches!(specs[0].switch().observe().unwrap(), Observation::Before(_)), "observing decides");
        act(&specs[0]).unwrap();
    }
}

#[test]
fn kubernetes_what_the_api_puts_off_is_tried_again() {
    let scene = Scene::traffic();
    let specs = scene.stage();
    break_next(&scene.double, "PATCH", "services", 2, Break::Status(429, Some(1)));
    break_next(&scene.double, "GET", "services", 2, Break::Status(503, None));
    act(&specs[0]).unwrap();
    assert_eq!(writes(&scene), 3);
}

#[test]
fn kubernetes_reads_are_given_up_in_time() {
    let scene = Scene::traffic();
    let specs = scene.stage();
    break_next(&scene.double, "GET", "services", 100, Break::Hang);
    let begun = std::time::Instant::now();
    let error = act(&specs[0]).unwrap_err();
    assert_eq!(error.code, ErrorCode::Io, "{error:?}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[test]
fn kubernetes_somebody_quicker_is_told_from_somebody_else() {
    let scene = Scene::traffic();
    let specs = scene.stage();
    let harmless = |state: &mut super::double::State| {
        let mut object = state.find("Service", "model-serving").unwrap().clone();
        object["metadata"]["annotations"] = json!({"theirs": "kept"});
        state.apply(object).unwrap();
    };
    break_next(&scene.double, "PATCH", "services", 1, Break::Meddle(harmless));
    act(&specs[0]).unwrap();
    assert_eq!(writes(&scene), 2, "the first was in conflict");
    assert_eq!(scene.double.object("Service", "model-serving")["metadata"]["annotations"]["theirs"], "kept");

    let scene = Scene::traffic();
    let specs = scene.stage();
    let theirs = |state: &mut super::double::State| {
        let mut object = state.find("Service", "model-serving").unwrap().clone();
        object["spec"]["selector"]["version"] = json!("v7");
        state.apply(object).unwrap();
    };
    break_next(&scene.double, "PATCH", "services", 1, Break::Meddle(theirs));
    let error = act(&specs[0]).unwrap_err();
    assert_eq!(error.code, ErrorCode::Drifted);
    for word in ["planned version=v2", "wanted version=v1", "found version=v7"] {
        assert!(error.message.contains(word), "{}", error.message);
    }
    assert_eq!(scene.double.object("Service", "model-serving")["spec"]["selector"]["version"], "v7");
}

#[test]
fn kubernetes_a_deploy_between_plan_and_switch_is_noticed() {
    let scene = Scene::traffic();
    let specs = scene.stage();
    let image = json!([{"name": "server", "image": "registry.example.org/m@sha256:hotfix"}]);
    let patch = json!({"spec": {"template": {"spec": {"containers": image}}}});
    scene.double.meddle("Deployment", "model-serving-v2", patch);
    assert!(matches!(specs[1].switch().observe().unwrap(), Observation::Other { .. }));
    assert_eq!(
        act(&specs[1]).unwrap_err().code,
        ErrorCode::Drifted,
        "it may be the repair that is scaled down"
    );
    scene.double.state().remove("Service", "model-serving");
    scene
        .double
        .apply(super::double::service("model-serving", json!({"app": "model-serving", "version": "v2"})));
    assert!(
        matches!(specs[0].switch().observe().unwrap(), Observation::Other { .. }),
        "another object of that name"
    );
}

#[test]
fn kubernetes_a_rollout_that_does_not_come_is_a_failure_and_goes_back() {
    let scene = Scene::revision();
    let specs = scene.stage();
    let before = Double::forgive(&scene.double.fingerprint());
    {
        let mut state = scene.double.state();
        state.broken_images.insert("registry.example.org/m@sha256:2".into());
        state.patience = 20;
    }
    let error = act(&specs[0]).unwrap_err();
    assert_eq!(error.code, ErrorCode::TimedOut);
    assert!(error.message.contains("makes no progress"), "{}", error.message);
    undo(&specs[0]).unwrap();
    assert_eq!(before, Double::forgive(&scene.double.fingerprint()));
}

#[test]
fn kubernetes_readiness_is_waited_for_by_watching() {
    for (gone_in_stream, denied) in [(false, false), (true, false), (false, true)] {
        let scene = Scene::revision();
        let specs = scene.stage();
        {
            let mut state = scene.double.state();
            state.slow = 60;
            state.gone_in_stream = gone_in_stream;
            if denied {
                state.denied.insert("watch deployments".into());
            }
        }
        std::thread::scope(|scope| {
            let forgetting = scope.spawn(|| {
                for _ in 0..8 {
                    std::thread::sleep(std::time::Duration::from_millis(30));
                    scene.double.state().forget();
                }
            });
            act(&specs[0]).unwrap();
            forgetting.join().unwrap();
        });
        let state = scene.double.state();
        let watches = state.requests.iter().filter(|line| line.contains("watch=true")).count();
        assert!(watches >= 1, "{watches}");
    }
}

#[test]
fn kubernetes_traffic_does_not_go_back_to_where_nobody_answers() {
    let scene = Scene::traffic_with(&TRAFFIC.replace("ready_within: 5s", "ready_within: 400ms"), 3);
    let specs = scene.stage();
    specs.iter().for_each(|spec| drop(act(spec).unwrap()));
    scene.double.state().broken_images.insert("registry.example.org/m@sha256:b2".into());
    let error = undo(&specs[1]).unwrap_err();
    assert_eq!(error.code, ErrorCode::TimedOut, "{error:?}");
    assert_eq!(scene.double.object("Service", "model-serving")["spec"]["selector"]["version"], "v1");
}

#[test]
fn kubernetes_credentials_may_come_from_a_program() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::traffic();
    let plugin = scene.folder.path().join("credentials");
    let script = format!(
        "#!/bin/sh\necho '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \"status\": \
         {{\"token\": \"{}\"}}}}'\n",
        super::double::TOKEN
    );
    std::fs::write(&plugin, script).unwrap();
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = scene.folder.path().join("kubeconfig");
    let by_token = std::fs::read_to_string(&path).unwrap();
    let exec = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./credentials, interactiveMode: IfAvailable}}";
    let token = format!("{{token: {}}}", super::double::TOKEN);
    std::fs::write(&path, by_token.replace(&token, exec)).unwrap();
    scene.target().observe().unwrap();
    std::fs::write(&plugin, "#!/bin/sh\necho hunter2; echo 'login expired' >&2; exit 1\n").unwrap();
    let error = scene.target().observe().unwrap_err();
    assert!(
        error.message.contains("login expired") && !error.message.contains("hunter2"),
        "{}",
        error.message
    );
    std::fs::write(&path, by_token.replace(super::double::TOKEN, "wrong")).unwrap();
    assert_eq!(scene.target().observe().unwrap_err().code, ErrorCode::NotPermitted);
}

#[test]
fn kubernetes_traffic_stays_where_it_is_when_the_good_version_dies_after_the_plan() {
    let scene = Scene::traffic();
    let specs = scene.stage();
    scene.double.state().broken_images.insert("registry.example.org/m@sha256:a1".into());
    for replicas in [0, 3] {
        scene.double.meddle("Deployment", "model-serving-v1", json!({"spec": {"replicas": replicas}}));
    }
    let error = act(&specs[0]).unwrap_err();
    assert_eq!(error.code, ErrorCode::Refused, "{error:?}");
    assert_eq!(writes(&scene), 0);
}

/// Not a test of its own: what the crash test starts, and kills.
#[test]
#[ignore = "the crash test starts it"]
fn kubernetes_child() {
    if std::env::var("IRCTL_CHILD_LOOKS").is_ok() {
        let config = "{scale: {deployment: model-serving-v1, replicas: 0}}";
        let config: KubernetesConfig = serde_yaml::from_str(config).unwrap();
        let ground = Ground { root: std::env::temp_dir(), service: "model-serving".to_owned() };
        let shown = KubernetesTarget { config: &config, ground: &ground }.observe().unwrap().shown;
        assert!(shown.raw().contains("3 replicas"), "{shown}");
        return;
    }
    let specs = std::fs::read_to_string(std::env::var("IRCTL_CHILD_SPECS").unwrap()).unwrap();
    let specs: Vec<SwitchSpec> = serde_json::from_str(&specs).unwrap();
    if std::env::var("IRCTL_CHILD_UNDOES").is_ok() {
        specs.iter().rev().for_each(|spec| drop(undo(spec).unwrap()));
        return;
    }
    for spec in &specs {
        if matches!(spec.switch().observe().unwrap(), Observation::Before(_)) {
            act(spec).unwrap();
        }
    }
}

/// Runs the child, to be killed at the given point; whether it was.
fn killed(scene: &Scene, specs: &[SwitchSpec], point: u32, undoes: bool) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    let file = scene.folder.path().join("specs.json");
    std::fs::write(&file, serde_json::to_string(specs).unwrap()).unwrap();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let name = "kubernetes::kubernetes_faults::kubernetes_child";
    command.args(["--exact", name, "--ignored", "--test-threads=1"]);
    command.env("IRCTL_CHILD_SPECS", &file).env("IRCTL_TEST_FAULT", point.to_string());
    if undoes {
        command.env("IRCTL_CHILD_UNDOES", "1");
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success() || output.status.signal() == Some(9),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    output.status.signal() == Some(9)
}

#[test]
fn kubernetes_kubeconfigs_are_found_as_kubectl_finds_them() {
    let scene = Scene::traffic();
    let folder = scene.folder.path();
    std::fs::create_dir(folder.join(".kube")).unwrap();
    std::fs::copy(folder.join("kubeconfig"), folder.join(".kube/config")).unwrap();
    std::fs::write(folder.join("first"), "apiVersion: v1\nkind: Config\ncurrent-context: double\n").unwrap();
    let list = format!("{0}/missing:{0}/first::{0}/kubeconfig", folder.display());
    let alone = folder.join("first").display().to_string();
    for (kubeconfig, home, found) in [
        (Some(&list), "/nonexistent", true),
        (None, folder.to_str().unwrap(), true),
        (Some(&alone), "/nonexistent", false),
    ] {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let name = "kubernetes::kubernetes_faults::kubernetes_child";
        command.args(["--exact", name, "--ignored", "--test-threads=1"]);
        command.env_remove("KUBECONFIG").env("HOME", home).env("IRCTL_CHILD_LOOKS", "1");
        command.envs(kubeconfig.map(|list| ("KUBECONFIG", list)));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), found, "{kubeconfig:?} {home}: {text}");
    }
}

/// Killed at every point of a switch and of its undo; then resumed or undone by this process, from the pinned data.
#[test]
fn kubernetes_killed_anywhere_it_is_old_or_new_in_the_end() {
    let mut kills = 0;
    for (scene, undoes) in [(Scene::traffic(), false), (Scene::traffic(), true), (Scene::revision(), false)] {
        let before = Double::forgive(&scene.double.fingerprint());
        let specs = scene.stage();
        let forward = || {
            for spec in &specs {
                match spec.switch().observe().unwrap() {
                    Observation::After => {}
                    Observation::Before(_) => drop(act(spec).unwrap()),
                    other => panic!("{other:?}"),
                }
            }
        };
        let backward = || specs.iter().rev().for_each(|spec| drop(undo(spec).unwrap()));
        forward();
        let after = Double::forgive(&scene.double.fingerprint());
        backward();
        for point in 1.. {
            if undoes {
                forward();
            }
            if !killed(&scene, &specs, point, undoes) {
                break;
            }
            kills += 1;
            // Every second time it goes on, else it goes back.
            if point % 2 == 0 {
                forward();
                assert_eq!(after, Double::forgive(&scene.double.fingerprint()), "point {point}");
            }
            backward();
            assert_eq!(before, Double::forgive(&scene.double.fingerprint()), "point {point}");
        }
    }
    assert!(kills >= 12, "{kills} kills");
    eprintln!("kubernetes: killed {kills} times");
}
