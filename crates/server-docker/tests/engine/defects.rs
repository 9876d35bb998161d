//! Every defect, dead rule and bypass that is known of mcp-docker, and the test that shows what is right here.
//! The last test checks that each test that is named exists.
//!
//! 1. A container could only be created, never run: `run_gives_exit_code_and_output_or_leaves_it_running`
//! 2. Create had no network, restart policy, user, labels, entrypoint, health check or resources:
//!    `a_container_is_created_started_looked_at_stopped_and_removed`
//! 3. Following a log blocked until 10,000 lines had come: `following_is_bounded_in_time_tells_progress_and_ends_with_its_caller`
//! 4. Output that is no UTF-8 was an error: `output_that_is_no_utf8_is_shown`
//! 5. Streaming statistics gave the first snapshot only: `following_is_bounded_in_time_tells_progress_and_ends_with_its_caller`
//! 6. A command could hang without an end: `commands_run_with_user_folder_environment_and_a_time_limit`
//! 7. Starting what runs, stopping what is stopped: no errors, as before: `a_container_is_created_started_looked_at_stopped_and_removed`
//! 8. Connecting what is connected, disconnecting what is not: no errors, as before: `a_container_joins_two_networks_and_leaves_them`
//! 9. A tag beside a tag was pulled or refused by generation: `an_image_is_pushed_removed_and_pulled_again_with_progress`
//! 10. Anything but `/` could be built from: `a_build_that_fails_shows_the_step_and_what_it_wrote`
//! 11. There was the classic builder only, and no progress of others: `an_image_is_built_by_both_builders_with_progress_and_without_what_is_ignored`
//! 12. `force_all` removed every image without naming one: `dangling_and_unused_images_are_pruned_and_protected_ones_stay`
//! 13. `force_all` removed every volume, and the tool's text asked models to use it: `every_destructive_tool_asks_first`
//! 14. Events without `until` hung, or relative times were not read: `events_have_a_beginning_an_end_and_filters`
//! 15. Version, disk usage and health had other shapes or were gone: `the_engine_says_what_it_is`
//! 16. Prompts had the role `system`, which MCP has not: `prompts_show_facts_and_logs_without_secrets_and_fenced`
//! 17. A prompt that failed was a message with the error in it: `prompts_show_facts_and_logs_without_secrets_and_fenced`
//! 18. Prompts showed values of variables: `prompts_show_facts_and_logs_without_secrets_and_fenced`
//! 19. Logs in prompts kept their secrets: `prompts_show_facts_and_logs_without_secrets_and_fenced`
//! 20. Resources were listed or templates were, never both: `resources_are_listed_read_completed_and_watched`
//! 21. Resources announced another type than they had: `resources_are_listed_read_completed_and_watched`
//! 22. There were no subscriptions: `resources_are_listed_read_completed_and_watched`
//! 23. `DOCKER_HOST` and contexts were ignored: `docker_host_comes_before_contexts_and_contexts_before_sockets`
//! 24. The setting for privileged containers was one for privileged commands: `privileged_commands_and_containers_are_one_rule`
//! 25. The setting for confirmation only logged: `the_person_is_asked_and_told_what_will_go`
//! 26. YOLO mode said "all checks" and meant mounts: `what_is_harmless_or_allowed_by_name_passes`
//! 27. The documented names of resources in allow lists were wrong: `what_is_not_allowed_is_neither_listed_nor_callable`
//! 28. An empty variable ended the server: `a_guard_that_is_not_built_refuses_to_start`
//! 29. The folder of the audit file, usually the current one, was closed to others (mode 0700), and a log was written
//!     beside it: `the_audit_goes_where_it_can_be_written`
//! 30. Forbidden tools were still listed: `what_is_not_allowed_is_neither_listed_nor_callable`
//! 31. A tool without a known level passed: `no_tool_stands_twice_and_an_unknown_one_is_destructive`
//! 32. Commands were matched by patterns that refuse `echo asphalt` and let a second space through: `commands_are_not_matched_by_patterns`
//! 33. Texts with `;` were refused and lists were not looked at: `what_only_a_shell_would_understand_is_told_how_to_write`
//! 34. `command: null` was a crash: `null_is_as_good_as_nothing`
//! 35. References with a digest were refused: `an_image_is_pushed_removed_and_pulled_again_with_progress`
//! 36. The image of a new container was not looked at: `references_and_names_are_checked_before_the_engine_is_asked`
//! 37. `1.5g` and `1t` of memory were refused: `amounts_are_read_as_people_write_them`
//! 38. Addresses of published ports were not looked at: `what_is_no_port_or_address_is_refused`
//! 39. The rule about ports was never called; here the setting `publish` decides: `the_settings_decide_who_can_reach_a_port`
//! 40. The rules about labels and lengths were never called: `certificates_and_connection_strings_are_values_and_a_name_with_an_equals_sign_is_none`
//! 41. A variable could be called `A=B`: `certificates_and_connection_strings_are_values_and_a_name_with_an_equals_sign_is_none`
//! 42. Certificates and connection strings were no values: `certificates_and_connection_strings_are_values_and_a_name_with_an_equals_sign_is_none`
//! 43. Inspect showed secrets: `text_of_strangers_is_cleaned_fenced_and_without_secrets`
//! 44. `/home/a..b` was refused: `what_hands_over_the_host_is_refused_by_meaning`
//! 45. `/etcetera` and `/root2` were refused: `what_hands_over_the_host_is_refused_by_meaning`
//! 46. `/`, `/proc`, `/sys`, `/dev`, `/boot`, `/var/run` and the socket in `/run` passed: `containers_cannot_be_given_the_host`
//! 47. A link led anywhere: `links_are_followed_and_the_engine_gets_where_they_lead`
//! 48. The options of a volume's driver mounted anything: `volumes_and_networks_are_no_way_around`
//! 49. The rules about mounts were not called by any tool: `containers_cannot_be_given_the_host`
//! 50. The clock skew of OAuth had no effect; what is not built refuses to start: `a_guard_that_is_not_built_refuses_to_start`
//! 51. Client addresses had no networks; what is not built refuses to start: `a_guard_that_is_not_built_refuses_to_start`
//! 52. All clients shared one rate, and ten requests a minute were all that an address had:
//!     `over_a_network_a_token_guards_and_the_rates_are_those_of_mcp_docker`
//! 53. An open address without a token was only logged: `over_a_network_a_token_guards_and_the_rates_are_those_of_mcp_docker`
//! 54. Values were never searched for secrets: `secrets_are_known_by_their_shape`
//! 55. A tool that failed was a success (`isError` false): `without_an_engine_everything_is_listed_and_says_what_to_do`
//! 56. An engine that is away was "an unexpected error": `without_an_engine_everything_is_listed_and_says_what_to_do`
//! 57. A missing argument was a page of a library's text: `a_missing_argument_is_told_in_one_sentence`
//! 58. Annotations had names that no client knows: `the_36_tools_of_mcp_docker_are_there_with_their_parameters_schemas_and_standard_annotations`
//! 59. Logs were handed to models as they are: `text_of_strangers_is_cleaned_fenced_and_without_secrets`
//! 60. Clients that send objects as JSON texts: `a_map_may_come_as_a_text_and_what_is_none_is_told_with_its_name`
//! 61. Pulls took long without a word: `an_image_is_pushed_removed_and_pulled_again_with_progress`
//! 62. Output was cut and its rest was lost: `commands_run_with_user_folder_environment_and_a_time_limit`

use crate::engine;
use crate::support::{caller, unique};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn output_that_is_no_utf8_is_shown() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let name = unique("bytes");
    let ran = me.tool(
        "docker_run_container",
        json!({
            "image": "busybox", "name": name, "detach": false, "command": ["sh", "-c", "printf 'a\\377b\\n'"],
        }),
    );
    assert!(ran.await["output"].as_str().unwrap().contains("a\u{fffd}b"));
    let logs = me.tool("docker_container_logs", json!({"container_id": name})).await;
    assert!(logs["logs"].as_str().unwrap().contains("a\u{fffd}b"), "{logs}");
    me.remove(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn privileged_commands_and_containers_are_one_rule() {
    let engine = engine!();
    let (me, allowed) = (caller(engine, |_| {}), caller(engine, |s| s.safety.allow = vec!["privileged".into()]));
    let name = unique("rule");
    me.run(&name, "sleep 1000", json!({"stop_timeout": 0})).await;
    let exec = json!({"container_id": name, "command": "true", "privileged": true});
    assert!(me.fault("docker_exec_command", exec.clone()).await.contains("privileged"));
    // A sandbox may refuse the rights that the engine then asks for: the engine was asked.
    assert!(allowed.tool("docker_exec_command", exec).await["exit_code"].is_number());
    let create = json!({"image": "busybox", "name": unique("rule"), "privileged": true});
    assert!(me.fault("docker_create_container", create.clone()).await.contains("privileged"));
    let made = allowed.tool("docker_create_container", create).await;
    me.remove(made["container_id"].as_str().unwrap()).await;
    me.remove(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_not_matched_by_patterns() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let name = unique("words");
    me.run(&name, "sleep 1000", json!({"stop_timeout": 0})).await;
    for command in [
        json!("echo asphalt"),
        json!("echo 'parted ways'"),
        json!("rm -rf /tmp/x"),
        json!("rm  -fr  /tmp/x"),
        json!(["sh", "-c", "ls; id"]),
    ] {
        let ran = me.tool("docker_exec_command", json!({"container_id": name, "command": command})).await;
        assert_eq!(ran["exit_code"], 0, "{command}");
    }
    me.remove(&name).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn null_is_as_good_as_nothing() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let made = me.tool("docker_create_container", json!({
        "image": "busybox", "command": Value::Null, "name": Value::Null, "environment": Value::Null, "detach": Value::Null,
        "ports": Value::Null, "volumes": Value::Null, "mem_limit": Value::Null,
    }));
    let made = made.await;
    assert!(made["name"].is_string());
    me.remove(made["container_id"].as_str().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn references_and_names_are_checked_before_the_engine_is_asked() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    for (tool, arguments) in [
        ("docker_create_container", json!({"image": "../containers/json"})),
        ("docker_create_container", json!({"image": "busybox", "name": "a/b"})),
        ("docker_inspect_image", json!({"image_name": "x/../../containers/json?all=1"})),
        ("docker_inspect_container", json!({"container_id": "../images/json"})),
        ("docker_start_container", json!({"container_id": "x?y"})),
        ("docker_inspect_volume", json!({"volume_name": "a/../../info"})),
        ("docker_inspect_network", json!({"network_id": "a b"})),
        ("docker_tag_image", json!({"image": "busybox", "repository": "UPPER"})),
        ("docker_exec_command", json!({"container_id": "x", "command": []})),
    ] {
        let refused = me.fault(tool, arguments.clone()).await;
        assert!(
            refused.contains("is no") || refused.contains("empty") || refused.contains("No such"),
            "{arguments}: {refused}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_argument_is_told_in_one_sentence() {
    let engine = engine!();
    let me = caller(engine, |_| {});
    let told = me.fault("docker_inspect_container", json!({})).await;
    assert!(told.contains("container_id") && told.len() < 200 && !told.contains("http"), "{told}");
}

#[test]
fn each_test_that_is_named_exists() {
    let sources = [
        include_str!("defects.rs"),
        include_str!("confirmation.rs"),
        include_str!("containers.rs"),
        include_str!("images.rs"),
        include_str!("networks.rs"),
        include_str!("registry.rs"),
        include_str!("safety.rs"),
        include_str!("server.rs"),
        include_str!("system.rs"),
        include_str!("../../src/command.rs"),
        include_str!("../../src/endpoint.rs"),
        include_str!("../../src/environment.rs"),
        include_str!("../../src/lenient.rs"),
        include_str!("../../src/mounts.rs"),
        include_str!("../../src/ports.rs"),
        include_str!("../../src/redact.rs"),
        include_str!("../../../redact/src/lib.rs"),
        include_str!("../../src/tools.rs"),
        include_str!("../../src/units.rs"),
        include_str!("../../../portcullis/src/docker/tests.rs"),
    ];
    let head: Vec<_> = sources[0].lines().take_while(|line| line.starts_with("//!")).collect();
    let mut named = 0;
    for name in head.join("\n").split('`').filter(|word| word.contains('_') && word.matches('_').count() > 3) {
        named += 1;
        assert!(sources.iter().any(|source| source.contains(&format!("fn {name}("))), "{name}");
    }
    assert_eq!(named, 62, "each has a test");
}
