use super::*;
use clap::Parser;

#[derive(Parser)]
#[command(disable_version_flag = true)]
struct Line {
    #[command(flatten)]
    flags: Flags,
}

fn read(line: &[&str], variables: &[(&str, &str)]) -> Result<(Plan, Settings), String> {
    with_file(line, variables, "")
}

fn with_file(line: &[&str], variables: &[(&str, &str)], file: &str) -> Result<(Plan, Settings), String> {
    let parsed = Line::try_parse_from(["docker"].iter().chain(line)).map_err(|e| e.to_string())?;
    // No test writes into the folder it is run in.
    let audit = ("SECURITY_AUDIT_LOG_ENABLED", "false");
    let all = [audit].iter().chain(variables).map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
    let plan = plan_with(&parsed.flags, Variables::new(all.into_iter(), file))?;
    let settings = plan.read().settings?;
    Ok((plan, settings))
}

fn made(variables: &[(&str, &str)]) -> server_docker::Settings {
    let (_, settings) = read(&[], variables).unwrap();
    let ServerKind::Docker(docker) = &settings.servers[0].kind else { panic!() };
    server_settings(docker).unwrap()
}

#[test]
fn nothing_has_to_be_said_for_a_desktop_client() {
    let (plan, settings) = read(&[], &[]).unwrap();
    assert!(plan.stdio && plan.welcome.is_empty() && settings.limits.per_principal.rate.is_none());
    let settings = made(&[]);
    assert_eq!(settings.safety.tier, mcp::Tier::Moderate);
    assert!(settings.safety.confirm && settings.safety.allowed_tools.is_empty() && !settings.safety.unchecked);
    assert_eq!(settings.timeout, Duration::from_secs(60));
}

#[test]
fn the_three_modes_and_the_lists_are_as_in_the_readme() {
    let (moderate, destructive) = ("SAFETY_ALLOW_MODERATE_OPERATIONS", "SAFETY_ALLOW_DESTRUCTIVE_OPERATIONS");
    assert_eq!(made(&[(moderate, "false"), (destructive, "false")]).safety.tier, mcp::Tier::Safe);
    assert_eq!(made(&[(destructive, "true")]).safety.tier, mcp::Tier::Destructive);
    let odd = made(&[(moderate, "0"), (destructive, "1")]);
    assert!(odd.safety.tier == mcp::Tier::Destructive && !odd.safety.moderate, "each switch by itself, as it was");
    for list in ["docker_version, docker_events", r#"["docker_version","docker_events"]"#] {
        assert_eq!(made(&[("SAFETY_ALLOWED_TOOLS", list)]).safety.allowed_tools, ["docker_version", "docker_events"]);
    }
    assert!(made(&[("SAFETY_ALLOWED_TOOLS", "")]).safety.allowed_tools.is_empty(), "an empty list allows all");
    let (plan, _) = read(&[], &[("SAFETY_DENIED_TOOLS", "docker_remove_everything")]).unwrap();
    assert!(plan.welcome[0].contains("docker_remove_everything"));
    let (plan, _) = read(&[], &[("SAFETY_YOLO_MODE", "true")]).unwrap();
    assert!(plan.welcome[0].contains("whoever calls has the host"));
}

#[test]
fn a_guard_that_is_not_built_refuses_to_start() {
    for (name, value) in [
        ("SECURITY_OAUTH_ENABLED", "true"),
        ("MCP_TLS_ENABLED", "1"),
        ("SECURITY_ALLOWED_CLIENT_IPS", r#"["127.0.0.1"]"#),
    ] {
        let refused = read(&[], &[(name, value)]).err().unwrap();
        assert!(refused.contains(name) && refused.contains("does not start"), "{refused}");
    }
    let off = [("SECURITY_OAUTH_ENABLED", "false"), ("SECURITY_ALLOWED_CLIENT_IPS", "[]"), ("MCP_TLS_ENABLED", "")];
    assert!(read(&[], &off).is_ok());
}

#[test]
fn what_has_no_meaning_is_one_line_and_what_is_wrong_is_told() {
    let vain =
        [("MCP_SERVER_NAME", "x"), ("HTTPSTREAM_STATELESS_MODE", "true"), ("SECURITY_OAUTH_ISSUER", "https://x")];
    let (plan, _) = read(&[], &vain).unwrap();
    assert_eq!(plan.welcome.len(), 1);
    assert!(vain.iter().all(|(name, _)| plan.welcome[0].contains(name)));
    for (name, value) in [
        ("DOCKER_BASE_URL", "http://127.0.0.1:2375"),
        ("DOCKER_TIMEOUT", "0"),
        ("DOCKER_TLS_CA_CERT", "/nonexistent/ca.pem"),
        ("SAFETY_MAX_LOG_LINES", "100001"),
        ("SAFETY_MAX_CONCURRENT_OPERATIONS", "0"),
        ("SAFETY_DEFAULT_TOOL_TIMEOUT", "3601"),
        ("SAFETY_ALLOW_MODERATE_OPERATIONS", "maybe"),
        ("SAFETY_ALLOW", "everything"),
        ("SAFETY_VOLUME_MOUNT_ALLOWLIST", "relative"),
        ("SAFETY_PUBLISH_PORTS", "some"),
        ("SECURITY_RATE_LIMIT_RPM", "1001"),
        ("MCP_LOG_LEVEL", "LOUD"),
        ("CORS_ENABLED", "true"),
        ("SECURITY_TRUSTED_PROXIES", "nobody"),
    ] {
        let network = read(&["--transport", "sse"], &[(name, value)]);
        let refused = network.err().unwrap_or_else(|| panic!("{name}={value} is not refused"));
        assert!(refused.contains(name) || refused.contains(value), "{name}: {refused}");
    }
}

#[test]
fn limits_and_exceptions_reach_the_server() {
    let settings = made(&[
        ("SAFETY_MAX_LOG_LINES", "5"),
        ("SAFETY_MAX_EXEC_OUTPUT_BYTES", "1000"),
        ("SAFETY_MAX_RESPONSE_BYTES", "900"),
        ("SAFETY_DEFAULT_TOOL_TIMEOUT", "0"),
        ("SAFETY_ALLOW_PRIVILEGED_CONTAINERS", "true"),
        ("SAFETY_ALLOW", "cap:NET_ADMIN"),
        ("SAFETY_VOLUME_MOUNT_ALLOWLIST", "/srv"),
        ("SAFETY_PROTECTED_LABELS", "env=prod"),
        ("SAFETY_REQUIRE_CONFIRMATION_FOR_DESTRUCTIVE", "false"),
        ("SAFETY_ALLOWED_RESOURCES", "container_logs"),
        ("DOCKER_BASE_URL", "unix:///run/x.sock"),
    ]);
    assert_eq!((settings.limits.log_lines, settings.limits.output_bytes, settings.limits.tool_timeout), (5, 900, None));
    assert_eq!(settings.safety.allow, ["cap:NET_ADMIN", "privileged"]);
    assert!(!settings.safety.confirm && settings.safety.allowed_resources.is_some());
    assert_eq!(settings.host.unwrap().to_string(), "unix:///run/x.sock");
}

#[test]
fn over_a_network_a_token_guards_and_the_rates_are_those_of_mcp_docker() {
    let open = ["--transport", "sse", "--host", "0.0.0.0"];
    let (plan, settings) = read(&open, &[]).unwrap();
    let refused = settings.check_safe_start().unwrap_err().to_string();
    assert!(refused.contains("SECURITY_AUTH_TOKEN"), "{refused}");
    assert!(!plan.stdio && settings.sse && plan.mcp_at_root);
    assert_eq!(settings.limits.per_principal.rate.unwrap().get(), 1.0);
    assert_eq!((settings.limits.per_principal.burst, settings.limits.per_principal.concurrent), (60, Some(3)));
    assert!(settings.limits.per_address.rate.is_none());
    let (_, settings) = read(&open, &[("SECURITY_AUTH_TOKEN", "0123456789abcdef")]).unwrap();
    assert!(settings.check_safe_start().is_ok());
    for line in [["--transport", "http"], ["--transport", "httpstream"]] {
        let (plan, settings) = read(&line, &[("SECURITY_RATE_LIMIT_ENABLED", "false")]).unwrap();
        assert!(!plan.stdio && !settings.sse && settings.limits.per_principal.rate.is_none());
    }
}

#[test]
fn a_file_beside_says_what_the_environment_does_not() {
    let file =
        "# ours\nSAFETY_MAX_LOG_LINES=7 # lines\nexport DOCKER_TIMEOUT='30'\nSAFETY_MAX_LIST_RESULTS=\"5\"\nOTHER=1\n";
    let (_, settings) = with_file(&[], &[("DOCKER_TIMEOUT", "40")], file).unwrap();
    let ServerKind::Docker(docker) = &settings.servers[0].kind else { panic!() };
    let settings = server_settings(docker).unwrap();
    assert_eq!((settings.limits.log_lines, settings.limits.list, settings.timeout.as_secs()), (7, 5, 40));
}

#[test]
fn the_audit_goes_where_it_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("deep/audit.log");
    assert_eq!(audit_file(named.to_str()).unwrap(), (named.clone(), None));
    assert!(named.parent().unwrap().is_dir());
    assert!(
        can_write(folder.path(), &folder.path().join("x"))
            && !can_write(Path::new("/nonexistent"), Path::new("/nonexistent/x"))
    );
}
