//! The whole program: from YAML to a verdict.

use crate::certificates::Authority;
use crate::redis_server::RedisServer;
use crate::s3_server::{KEY, S3Server, SECRET};
use crate::support::http::Server;
use crate::support::{NIGHT, Workspace};
use rusqlite::Connection;

/// A suite that counts the objects of a bucket, as whoever the environment says.
const BUCKET: &str = "suite: bucket\nprobes:\n  signals: {s3: {bucket: signals, look: {list: {}}, timeout: 8s}}\n\
    expect:\n  - {id: one, that: signals_objects == 1}\n";

#[test]
fn suites_judge_what_servers_say() {
    let (workspace, redis, s3) = (Workspace::empty(), RedisServer::start(&[]), S3Server::start(&["signals"]));
    s3.put("signals", "live/one.json", 10, crate::NOW - 600);
    workspace.write("config/irctl.yaml", "workspace: servers\n");
    workspace.write("config/key", KEY);
    workspace.write("config/secret", SECRET);
    let database = Connection::open(workspace.path("data.db")).unwrap();
    database.execute_batch("CREATE TABLE orders (state TEXT); INSERT INTO orders VALUES ('stuck')").unwrap();
    let _: String = redis.run(&["SET", "mode", "halted"]);
    let suite = format!(
        "suite: servers\nprobes:\n  stuck: {{sql: {{database: {{sqlite: {{file: data.db}}}}, query: \"SELECT count(*) FROM \
         orders WHERE state = 'stuck'\", read: {{scalar: {{unit: count}}}}}}}}\n  halted: {{redis: {{url: '{}', ask: \
         {{key: {{key: mode, value: {{equals: halted}}}}}}}}}}\n  signals: {{s3: {{bucket: signals, endpoint: '{}', \
         access_key: 'file:{}', secret_key: 'file:{}', look: {{list: {{prefix: live/}}}}}}}}\n  gone: {{s3: {{bucket: \
         nowhere, endpoint: '{}', access_key: 'file:{}', secret_key: 'file:{}', look: {{list: {{}}}}}}}}\nexpect:\n\
         \x20 - {{id: stuck, that: stuck < 10}}\n  - {{id: halted, that: not halted}}\n  - {{id: fresh, that: signals_age < \
         1h}}\n  - {{id: gone, that: gone_objects < 10}}\n",
        redis.secret(),
        s3.url(),
        workspace.path("config/key").display(),
        workspace.path("config/secret").display(),
        s3.url(),
        workspace.path("config/key").display(),
        workspace.path("config/secret").display(),
    );
    workspace.write("config/verify/servers.yaml", suite);
    let run = workspace.irctl(&["verify", "servers", "--output", "json"]);
    assert!(!run.stdout.contains(SECRET) && !run.stderr.contains(SECRET), "{run:?}");
    let report = run.json();
    let verdict = |id: &str| {
        let checks = report["suites"][0]["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("{report:#}"));
        (check["verdict"].as_str().unwrap().to_ascii_uppercase(), check["reason"].to_string())
    };
    assert_eq!(verdict("stuck").0, "OK", "{NIGHT}: {report:#}");
    assert_eq!(verdict("halted").0, "CRIT");
    assert_eq!(verdict("fresh").0, "OK");
    let (gone, why) = verdict("gone");
    assert_eq!(gone, "UNKNOWN");
    assert!(why.contains("no such bucket"), "{why}");
    let untrusted = workspace.irctl(&["verify", "servers", "--untrusted", "--output", "json"]);
    let checks = untrusted.json()["suites"][0]["checks"].as_array().unwrap().clone();
    assert!(checks.len() == 4 && checks.iter().all(|check| check["verdict"] != "OK"), "{checks:#?}");
    assert!(untrusted.stdout.contains("untrusted"), "{}", untrusted.stdout);
}

#[test]
fn the_environment_says_who_asks_s3() {
    let (workspace, s3) = (Workspace::empty(), S3Server::start(&["signals"]));
    s3.put("signals", "one", 10, crate::NOW - 600);
    workspace.write("config/irctl.yaml", "workspace: servers\n");
    workspace.write("config/verify/bucket.yaml", BUCKET);
    let url = s3.url();
    let dead = format!("http://127.0.0.1:{}", crate::dead_port());
    let ask = |more: &[(&str, &str)]| {
        let mut all = vec![("AWS_ENDPOINT_URL", url.as_str()), ("AWS_METADATA_ENDPOINT", dead.as_str())];
        all.extend(more);
        let run = workspace.irctl_with(&all, &["verify", "bucket", "--output", "json"]);
        assert!(!run.stdout.contains("hunter2") && !run.stderr.contains("hunter2"), "{run:?}");
        let check = run.json()["suites"][0]["checks"][0].clone();
        (check["verdict"].as_str().unwrap().to_owned(), check["reason"].to_string())
    };
    let (verdict, why) = ask(&[("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)]);
    assert_eq!(verdict, "OK", "{why}");
    let (verdict, why) = ask(&[]);
    assert_eq!(verdict, "UNKNOWN");
    assert!(why.contains("no credentials for S3 are found"), "{why}");
    let (verdict, why) = ask(&[
        ("AWS_ACCESS_KEY_ID", "ended"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2-x"),
        ("AWS_SESSION_TOKEN", "hunter2-of-a-session"),
    ]);
    assert_eq!(verdict, "UNKNOWN");
    assert!(why.contains("have expired"), "{why}");
}

#[test]
fn profiles_say_who_asks_s3_and_what_they_cannot_is_named() {
    let (workspace, s3) = (Workspace::empty(), S3Server::start(&["signals"]));
    s3.put("signals", "one", 10, crate::NOW - 600);
    workspace.write("config/irctl.yaml", "workspace: servers\n");
    workspace.write("config/verify/bucket.yaml", BUCKET);
    let (url, dead) = (s3.url(), format!("http://127.0.0.1:{}", crate::dead_port()));
    let home = workspace.path("../home");
    std::fs::create_dir_all(home.join(".aws")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.join(".aws").join(name), text).unwrap();
    let ask = |more: &[(&str, &str)]| {
        let mut all = vec![("AWS_METADATA_ENDPOINT", dead.as_str())];
        all.extend(more);
        let run = workspace.irctl_with(&all, &["verify", "bucket", "--output", "json"]);
        assert!(!run.stdout.contains("hunter2") && !run.stderr.contains("hunter2"), "{run:?}");
        let check = run.json()["suites"][0]["checks"][0].clone();
        (check["verdict"].as_str().unwrap().to_owned(), check["reason"].to_string())
    };
    let keys = format!("aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n");
    write(
        "config",
        &format!("[default]\nendpoint_url = {url}\n[profile desk]\nendpoint_url = {url}\nsso_session = x\n"),
    );
    write(
        "credentials",
        &format!("[default]\n{keys}[ended]\naws_access_key_id = ended\naws_secret_access_key = hunter2-x\n"),
    );
    assert_eq!(ask(&[]).0, "OK", "{}", ask(&[]).1);
    // What the environment says comes first.
    let ended = [("AWS_ACCESS_KEY_ID", "ended"), ("AWS_SECRET_ACCESS_KEY", "hunter2-x")];
    assert!(ask(&ended).1.contains("have expired"), "{}", ask(&ended).1);
    let of = |profile: &str| ask(&[("AWS_PROFILE", profile), ("AWS_ENDPOINT_URL", &url)]);
    assert!(of("ended").1.contains("have expired"), "{}", of("ended").1);
    for (profile, words) in [("desk", "single sign-on"), ("nobody", "stands in neither of")] {
        let (verdict, why) = of(profile);
        assert!(verdict == "UNKNOWN" && why.contains(words), "{profile}: {verdict} {why}");
    }
    // Elsewhere, and with authorities of one's own.
    let elsewhere = workspace.path("credentials");
    std::fs::write(&elsewhere, format!("[other]\n{keys}")).unwrap();
    let other = [
        ("AWS_PROFILE", "other"),
        ("AWS_SHARED_CREDENTIALS_FILE", elsewhere.to_str().unwrap()),
        ("AWS_ENDPOINT_URL", url.as_str()),
    ];
    assert_eq!(ask(&other).0, "OK", "{}", ask(&other).1);
    let none = workspace.path("config/irctl.yaml");
    let (verdict, why) = ask(&[("AWS_CA_BUNDLE", none.to_str().unwrap())]);
    assert!(verdict == "UNKNOWN" && why.contains("holds no certificates"), "{verdict} {why}");
}

#[test]
fn an_authority_of_ones_own_is_trusted_for_s3() {
    let workspace = Workspace::empty();
    let authority = Authority::new();
    let (now, day) = (chrono::Utc::now(), chrono::TimeDelta::days(1));
    let page = "<?xml version=\"1.0\"?><ListBucketResult><Name>signals</Name><KeyCount>1</KeyCount>\
        <IsTruncated>false</IsTruncated><Contents><Key>one</Key><LastModified>2026-11-20T02:00:00.000Z</LastModified>\
        <ETag>\"e\"</ETag><Size>10</Size></Contents></ListBucketResult>";
    let server = Server::start_tls(authority.server(now - day, now + day), |_, _| (200, page.to_owned()));
    workspace.write("config/irctl.yaml", "workspace: servers\n");
    workspace.write("config/verify/bucket.yaml", BUCKET);
    let url = server.url().replace("http://127.0.0.1", "https://localhost");
    let pem = authority.pem();
    let ask = |more: &[(&str, &str)]| {
        let mut all = vec![
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ];
        all.extend(more);
        let run = workspace.irctl_with(&all, &["verify", "bucket", "--output", "json"]);
        let check = run.json()["suites"][0]["checks"][0].clone();
        (check["verdict"].as_str().unwrap().to_owned(), check["reason"].to_string())
    };
    let (verdict, why) = ask(&[("AWS_CA_BUNDLE", pem.to_str().unwrap())]);
    assert_eq!(verdict, "OK", "{why}");
    let (verdict, why) = ask(&[]);
    assert!(verdict == "UNKNOWN" && why.contains("cannot be reached"), "{verdict} {why}");
}

#[test]
fn a_connection_ends_when_the_time_of_its_probe_is_over() {
    use irctl::base::process;
    use std::time::{Duration, Instant};
    let bench = crate::Bench::new();
    // It takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let secret = |scheme: &str| bench.secret(scheme, &format!("{scheme}://u:hunter2@127.0.0.1:{port}/0"));
    let (redis, postgres) = (secret("redis"), secret("postgresql"));
    let (key, word) = (bench.secret("key", KEY), bench.secret("secret", SECRET));
    let url = format!("http://127.0.0.1:{port}");
    for probe in [
        format!("{{http: {{url: '{url}', timeout: 60s, total: 5m}}}}"),
        format!("{{prometheus: {{url: '{url}', query: up, timeout: 60s}}}}"),
        format!("{{redis: {{url: '{redis}', ask: {{ping: {{}}}}, timeout: 60s}}}}"),
        format!(
            "{{sql: {{database: {{postgres: {{url: '{postgres}', tls: disable}}}}, query: SELECT 1, \
             read: {{scalar: {{}}}}, timeout: 60s}}}}"
        ),
        format!(
            "{{s3: {{bucket: signals, endpoint: '{url}', look: {{list: {{}}}}, access_key: '{key}', \
             secret_key: '{word}', timeout: 60s}}}}"
        ),
    ] {
        let begun = Instant::now();
        process::until(begun + Duration::from_millis(400), || bench.measure(&probe));
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}: {probe}", begun.elapsed());
    }
}

#[test]
fn a_web_identity_takes_its_role_for_s3() {
    let (workspace, s3) = (Workspace::empty(), S3Server::start(&["signals"]));
    s3.put("signals", "one", 10, crate::NOW - 600);
    let authority = Authority::new();
    let (now, day) = (chrono::Utc::now(), chrono::TimeDelta::days(1));
    let role = format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
         <SessionToken>of-the-session</SessionToken><SecretAccessKey>{SECRET}</SecretAccessKey>\
         <Expiration>2099-01-01T00:00:00Z</Expiration><AccessKeyId>{KEY}</AccessKeyId></Credentials>\
         </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    );
    let denied = "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>no</Message></Error></ErrorResponse>";
    let sts = Server::start_tls(authority.server(now - day, now + day), move |request, _| {
        if request.line.contains("WebIdentityToken=good") {
            (200, role.clone())
        } else {
            (400, denied.to_owned())
        }
    });
    workspace.write("config/irctl.yaml", "workspace: servers\n");
    workspace.write("config/verify/bucket.yaml", BUCKET);
    let (url, sts) = (s3.url(), sts.url().replace("http://127.0.0.1", "https://localhost"));
    let (pem, token) = (authority.pem(), workspace.path("token"));
    let ask = |more: &[(&str, &str)]| {
        let mut all = vec![
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("AWS_ENDPOINT_URL_STS", sts.as_str()),
            ("AWS_CA_BUNDLE", pem.to_str().unwrap()),
        ];
        all.extend(more);
        let run = workspace.irctl_with(&all, &["verify", "bucket", "--output", "json"]);
        let check = run.json()["suites"][0]["checks"][0].clone();
        (check["verdict"].as_str().unwrap().to_owned(), check["reason"].to_string())
    };
    let variables =
        [("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")];
    workspace.write("token", "good");
    let (verdict, why) = ask(&variables);
    assert_eq!(verdict, "OK", "{why}");
    // A profile says the same.
    let profile = format!(
        "[profile web]\nweb_identity_token_file = {}\nrole_arn = arn:aws:iam::1:role/r\n",
        token.display()
    );
    workspace.write("profiles", profile);
    let profiles = workspace.path("profiles");
    let (verdict, why) = ask(&[("AWS_PROFILE", "web"), ("AWS_CONFIG_FILE", profiles.to_str().unwrap())]);
    assert_eq!(verdict, "OK", "{why}");
    workspace.write("token", "old");
    let (verdict, why) = ask(&variables);
    assert!(verdict == "UNKNOWN" && why.contains("does not know the access key"), "{verdict} {why}");
}
