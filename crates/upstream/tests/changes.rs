//! Changes that a child tells.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use futures_util::{FutureExt as _, StreamExt as _};
use mcp::{Change, Interest, Server as _, Watching};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use support::{PATIENCE, ask, askable, call, caller, healthy, start, tool, until};
use tokio::time::timeout;
use upstream::Child;

fn watch(child: &Arc<Child>, interest: Interest) -> Watching {
    let (call, _ears) = mcp::Call::new(caller("p"), HashMap::new());
    Arc::clone(child).watch(interest, call)
}

fn uris(uris: &[&str]) -> Interest {
    Interest { uris: uris.iter().map(|uri| (*uri).to_owned()).collect(), ..Interest::default() }
}

async fn next(watching: &mut Watching) -> Change {
    timeout(PATIENCE, watching.next()).await.expect("no change comes").expect("the end")
}

/// What the child was told to tell changes of.
async fn subscribed(child: &Arc<Child>) -> BTreeSet<String> {
    let result = ask(child, tool("subscribed", "{}"), caller("p")).await;
    let Ok(result) = result else { return BTreeSet::new() };
    let listed = |uris: &Value| -> Vec<String> {
        uris.as_array().into_iter().flatten().map(|uri| uri.as_str().unwrap().to_owned()).collect()
    };
    let listens = result["listens"].as_array().unwrap().iter();
    let mut all = listed(&result["subscribed"]);
    let once = all.len();
    all.extend(listens.flat_map(|listen| listed(&listen[1]["resourceSubscriptions"])));
    let distinct: BTreeSet<_> = all.iter().cloned().collect();
    assert!(once == 0 || distinct.len() == once, "subscribed twice: {all:?}");
    distinct
}

fn set(uris: &[&str]) -> BTreeSet<String> {
    uris.iter().map(|uri| (*uri).to_owned()).collect()
}

async fn listens(child: &Arc<Child>) -> usize {
    let result = ask(child, tool("subscribed", "{}"), caller("p")).await;
    result.map_or(0, |result| result["listens"].as_array().unwrap().len())
}

#[tokio::test]
async fn list_changes_reach_who_watches_in_both_eras() {
    for args in [&[][..], &["modern"]] {
        let child = start(args);
        healthy(&child).await;
        let mut all = watch(&child, Interest::lists());
        let mut tools = watch(&child, Interest { tools: true, ..Interest::default() });
        call(&child, "change", "{}").await.unwrap();
        for expected in [Change::Tools, Change::Prompts, Change::Resources] {
            assert_eq!(next(&mut all).await, expected);
        }
        assert_eq!(next(&mut tools).await, Change::Tools);
        assert!(tools.next().now_or_never().is_none());
    }
}

#[tokio::test]
async fn a_modern_child_is_subscribed_for_list_changes() {
    let child = start(&["modern"]);
    until("the subscription", async || listens(&child).await == 1).await;
    call(&child, "end-listens", "{}").await.unwrap();
    until("the subscription is made again", async || listens(&child).await == 1).await;
}

#[tokio::test]
async fn a_resource_is_subscribed_once_and_until_nobody_watches_it() {
    for args in [&[][..], &["modern"]] {
        let child = start(args);
        let mut first = watch(&child, uris(&["a://1"]));
        let mut second = watch(&child, uris(&["a://1", "a://2"]));
        until("the subscriptions", async || subscribed(&child).await == set(&["a://1", "a://2"])).await;
        call(&child, "touch", r#"{"uri":"a://1"}"#).await.unwrap();
        assert_eq!(next(&mut first).await, Change::Updated("a://1".into()));
        assert_eq!(next(&mut second).await, Change::Updated("a://1".into()));
        drop(second);
        until("one is left", async || subscribed(&child).await == set(&["a://1"])).await;
        drop(first);
        until("none is left", async || subscribed(&child).await.is_empty()).await;
        if !args.is_empty() {
            until("the old subscriptions are cancelled", async || listens(&child).await == 1).await;
        }
    }
}

#[tokio::test]
async fn after_a_restart_resources_are_subscribed_again_and_reported_once() {
    for args in [&[][..], &["modern"]] {
        let child = start(args);
        let mut watching = watch(&child, uris(&["a://1"]));
        let mut lists = watch(&child, Interest::lists());
        until("the subscription", async || subscribed(&child).await == set(&["a://1"])).await;
        assert!(watching.next().now_or_never().is_none(), "nothing was missed yet");
        let _ = call(&child, "crash", "{}").await;
        assert_eq!(next(&mut watching).await, Change::Updated("a://1".into()));
        until("the subscription is made again", async || subscribed(&child).await == set(&["a://1"])).await;
        assert!(watching.next().now_or_never().is_none());
        assert_eq!(child.about().incarnation, 2);
        // Up, down and up again, as far as it was read in between.
        let mut told = 0;
        while lists.next().now_or_never().flatten() == Some(Change::About) {
            told += 1;
        }
        assert!((1..=3).contains(&told), "{told}");
    }
}

fn watch_as(child: &Arc<Child>, who: mcp::Caller, interest: Interest) -> Watching {
    let (call, _ears) = mcp::Call::new(who, HashMap::new());
    Arc::clone(child).watch(interest, call)
}

#[tokio::test]
async fn what_changes_inside_a_callers_own_instance_is_told_to_that_caller_only() {
    let child = start(&[]);
    healthy(&child).await;
    let (ann, bob) = (|| askable("ann", Some("1")), || askable("bob", Some("2")));
    let everything = || Interest { uris: vec!["a://1".into()], ..Interest::lists() };
    let mut of_ann = watch_as(&child, ann(), everything());
    let mut of_bob = watch_as(&child, bob(), everything());
    let mut of_all = watch(&child, everything());
    assert_eq!(child.own_lists(&ann()), None);
    ask(&child, tool("change", "{}"), ann()).await.unwrap();
    for expected in [Change::Tools, Change::Prompts, Change::Resources] {
        assert_eq!(next(&mut of_ann).await, expected);
    }
    let first = child.own_lists(&ann()).expect("ann sees lists of her own");
    assert_eq!(child.own_lists(&bob()), None);
    ask(&child, tool("change", "{}"), ann()).await.unwrap();
    assert!(child.own_lists(&ann()) > Some(first));
    for _ in 0..3 {
        next(&mut of_ann).await;
    }
    // The resource is watched there, where ann's calls change it.
    let subscribed = async || {
        let result = ask(&child, tool("subscribed", "{}"), ann()).await.unwrap();
        result["subscribed"] == serde_json::json!(["a://1"])
    };
    until("the subscription", subscribed).await;
    ask(&child, tool("touch", r#"{"uri":"a://1"}"#), ann()).await.unwrap();
    assert_eq!(next(&mut of_ann).await, Change::Updated("a://1".into()));
    // What the shared instance tells of it is not ann's.
    until("the subscription", async || self::subscribed(&child).await == set(&["a://1"])).await;
    call(&child, "touch", r#"{"uri":"a://1"}"#).await.unwrap();
    assert_eq!(next(&mut of_all).await, Change::Updated("a://1".into()));
    assert_eq!(next(&mut of_bob).await, Change::Updated("a://1".into()), "bob has no instance of his own yet");
    assert!(of_ann.next().now_or_never().is_none());
    assert!(of_bob.next().now_or_never().is_none());
}

#[tokio::test]
async fn when_a_callers_own_instance_is_gone_its_lists_are_those_of_all_again() {
    let child = start(&[]);
    healthy(&child).await;
    let ann = || askable("ann", Some("1"));
    let mut watching = watch_as(&child, ann(), Interest { uris: vec!["a://1".into()], ..Interest::lists() });
    ask(&child, tool("change", "{}"), ann()).await.unwrap();
    let subscribed = async || {
        let result = ask(&child, tool("subscribed", "{}"), ann()).await.unwrap();
        result["subscribed"] == serde_json::json!(["a://1"])
    };
    until("the subscription", subscribed).await;
    for _ in 0..3 {
        next(&mut watching).await;
    }
    let _ = ask(&child, tool("crash", "{}"), ann()).await;
    for expected in [Change::Tools, Change::Prompts, Change::Resources, Change::Updated("a://1".into())] {
        assert_eq!(next(&mut watching).await, expected);
    }
    assert_eq!(child.own_lists(&ann()), None);
}
