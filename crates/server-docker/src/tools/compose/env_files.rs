//! Files that Compose reads because a compose file names them (`env_file`, `label_file`). Each is given to it as it was
//! when it was decided: under a path of ours, which is written into the file in the place of its own. What somebody
//! puts in its place meanwhile is not read.

use crate::fault::Fault;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use std::ops::Range;
use std::path::Path;

/// A file that is named, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) path: String,
    /// Whether it must be there.
    pub(super) required: bool,
    /// Bytes of the compose file.
    at: Range<usize>,
}

/// Levels of a compose file.
const DEEPEST: usize = 64;
/// Files that one may name.
const MOST: usize = 100;

/// All of them, wherever they stand: a member may come to a service by a merge.
pub(super) fn named(written: &str) -> Result<Vec<Named>, Fault> {
    let mut events = Parser::new_from_str(written);
    let mut all = Vec::new();
    while let Some((event, span)) = next(&mut events)? {
        match event {
            Event::DocumentStart(..) | Event::DocumentEnd | Event::StreamStart | Event::StreamEnd => {}
            other => look(&node(&mut events, other, span, 0)?, &mut all)?,
        }
    }
    match all.iter().find(|file| file.path.contains('$') || file.path.starts_with('~')) {
        Some(file) => Err(refused(&format!("{:?} with a variable or ~ in it", file.path))),
        None if all.len() > MOST => Err(Fault::new(format!("a compose file names {MOST} files at most."))),
        None => Ok(all),
    }
}

/// The compose file with other paths in their places, one for each.
pub(super) fn with_paths(written: &str, named: &[Named], paths: &[&Path]) -> Result<String, Fault> {
    let mut text = written.to_owned();
    // From the end, so that the places before it stay where they are.
    for (file, path) in named.iter().zip(paths).rev() {
        let quoted = serde_json::Value::from(path.to_string_lossy()).to_string();
        if text.get(file.at.clone()).is_none() {
            return Err(cannot_be_read());
        }
        text.replace_range(file.at.clone(), &quoted);
    }
    let now = self::named(&text)?;
    let is_so = now.len() == paths.len() && now.iter().zip(paths).all(|(file, path)| Path::new(&file.path) == *path);
    if is_so { Ok(text) } else { Err(cannot_be_read()) }
}

fn cannot_be_read() -> Fault {
    Fault::new("env_file: its place in the compose file cannot be told; write the path as one word in quotes.")
}

fn refused(what: &str) -> Fault {
    Fault::refused(format!("env_file: {what} is refused, for it cannot be decided before it is read; write the path."))
}

/// A part of the file, with places.
enum Node {
    Scalar {
        text: String,
        at: Range<usize>,
        /// Words on one line, with nothing before them that others could refer to.
        plain: bool,
        /// Nothing is written there.
        empty: bool,
    },
    Map(Vec<(String, Self)>),
    List(Vec<Self>),
    Alias,
}

fn next<'a>(events: &mut Parser<'a, granit_parser::StrInput<'a>>) -> Result<Option<(Event<'a>, Span)>, Fault> {
    let failed = |e: ScanError| {
        let at = e.marker();
        Fault::new(format!("the compose file cannot be read at line {}, column {}.", at.line(), at.col() + 1))
    };
    events.next_event().transpose().map_err(failed)
}

fn node<'a>(
    events: &mut Parser<'a, granit_parser::StrInput<'a>>,
    event: Event<'a>,
    span: Span,
    depth: usize,
) -> Result<Node, Fault> {
    if depth > DEEPEST {
        return Err(Fault::new("the compose file is nested too deeply."));
    }
    let ended = || Fault::new("the compose file ends too early.");
    Ok(match event {
        Event::Scalar(text, style, anchor, tag) => {
            let at = span.byte_range().ok_or_else(cannot_be_read)?;
            let one_line = matches!(style, ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
            let empty = style == ScalarStyle::Plain && matches!(text.as_ref(), "" | "~" | "null");
            Node::Scalar { text: text.into_owned(), at, plain: one_line && anchor == 0 && tag.is_none(), empty }
        }
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match next(events)?.ok_or_else(ended)? {
                    (Event::SequenceEnd, _) => break Node::List(items),
                    (event, span) => items.push(node(events, event, span, depth + 1)?),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut members = Vec::new();
            loop {
                let (event, span) = next(events)?.ok_or_else(ended)?;
                if event == Event::MappingEnd {
                    break Node::Map(members);
                }
                // Readers differ on what another kind of name is called.
                let Node::Scalar { text: name, plain: true, .. } = node(events, event, span, depth + 1)? else {
                    return Err(Fault::refused(
                        "the compose file has a name that is an alias, an anchor or no word; write it out.",
                    ));
                };
                let (event, span) = next(events)?.ok_or_else(ended)?;
                members.push((name, node(events, event, span, depth + 1)?));
            }
        }
        _ => Node::Alias,
    })
}

fn look(node: &Node, all: &mut Vec<Named>) -> Result<(), Fault> {
    match node {
        Node::Map(members) => members.iter().try_for_each(|(name, value)| {
            if matches!(name.as_str(), "env_file" | "label_file") { take(value, all) } else { look(value, all) }
        }),
        Node::List(items) => items.iter().try_for_each(|item| look(item, all)),
        Node::Scalar { .. } | Node::Alias => Ok(()),
    }
}

/// What stands under such a member: a path, several, or paths with more said of them.
fn take(value: &Node, all: &mut Vec<Named>) -> Result<(), Fault> {
    match value {
        Node::List(items) => items.iter().try_for_each(|item| match item {
            Node::List(_) => Err(cannot_be_read()),
            item => take(item, all),
        }),
        Node::Map(members) => {
            let member =
                |name: &'static str| members.iter().filter(move |(known, _)| known == name).map(|(_, value)| value);
            if member("<<").next().is_some() {
                return Err(refused("a path by a merge"));
            }
            let required =
                !member("required").any(|value| matches!(value, Node::Scalar { text, .. } if text == "false"));
            let mut paths = member("path").peekable();
            if paths.peek().is_none() {
                // A service of that name, for one.
                return look(value, all);
            }
            paths.try_for_each(|path| one(path, required, all))
        }
        path => one(path, true, all),
    }
}

fn one(path: &Node, required: bool, all: &mut Vec<Named>) -> Result<(), Fault> {
    match path {
        Node::Scalar { empty: true, .. } => Ok(()),
        Node::Scalar { text, at, plain: true, .. } => {
            all.push(Named { path: text.clone(), required, at: at.clone() });
            Ok(())
        }
        _ => Err(refused("a path by an alias, with an anchor or over several lines")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn paths(text: &str) -> Vec<String> {
        named(text).unwrap().into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn what_compose_would_read_is_known_before_it_reads() {
        let text =
            "services: {a: {env_file: x.env}, b: {env_file: [y.env, {path: /etc/z}], label_file: l}, c: {env_file: }}";
        assert_eq!(paths(text), ["x.env", "y.env", "/etc/z", "l"]);
        for merged in ["<<: *b", "<<: [*b]"] {
            let text = format!("x-b: &b {{env_file: /etc/z}}\nservices:\n  web:\n    {merged}\n    image: x\n");
            assert_eq!(paths(&text), ["/etc/z"], "{merged}");
        }
        let optional = named("a: {env_file: [{path: x, required: false}, {path: y}]}").unwrap();
        assert_eq!(optional.iter().map(|file| file.required).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_path_that_is_not_written_there_is_refused() {
        for refused in [
            "a: {env_file: $HOME/x}",
            "a: {env_file: ['${X}']}",
            "a: {env_file: ~/.aws/credentials}",
            "a: {label_file: ~/.aws/credentials}",
            "x: &p /etc/z\na: {env_file: *p}",
            "x: &p /etc/z\na: {env_file: [*p]}",
            "x: &p [/etc/z]\na: {env_file: *p}",
            "x: &p {path: /etc/z}\na: {env_file: [{<<: *p}]}",
            "x: &p {path: /etc/z}\na: {env_file: {<<: *p}}",
            "x: &k env_file\na: {? *k : /etc/z}",
            "a: {? !!binary ZW52X2ZpbGU= : /etc/z}",
            "a: {env_file: &p /etc/z}",
            "a: {env_file: !!binary L2V0Yy96}",
            "a: {env_file: [[/etc/z]]}",
            "a:\n  env_file: |\n    /etc/z\n",
            "a: [",
        ] {
            assert!(named(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn other_paths_stand_in_their_places_and_all_else_stays() {
        let text = "# é\nservices:\n  a: {env_file: [\"x\", 'y y', {path: z}], image: 'é'}\n  b:\n    env_file:\n    - w  # why\n    command: w\n";
        let named = named(text).unwrap();
        let to = ["/proc/1/fd/1", "/proc/1/fd/2", "/p/3 \"q\"", "/p/4"].map(Path::new);
        let now = with_paths(text, &named, &to).unwrap();
        assert_eq!(
            now,
            "# é\nservices:\n  a: {env_file: [\"/proc/1/fd/1\", \"/proc/1/fd/2\", {path: \"/p/3 \\\"q\\\"\"}], image: 'é'}\n  b:\n    env_file:\n    - \"/p/4\"  # why\n    command: w\n"
        );
    }

    proptest! {
        #[test]
        fn no_text_harms_it_and_no_place_is_outside_of_it(text in "[a-z:{}\\[\\]&*!?|>'\" \n#é,~$-]{0,60}(env_file: [a-z'\"*&{} -]{0,12})?") {
            if let Ok(named) = named(&text) {
                let path = Path::new("/proc/1/fd/9");
                let _ = with_paths(&text, &named, &vec![path; named.len()]);
            }
        }
    }
}
