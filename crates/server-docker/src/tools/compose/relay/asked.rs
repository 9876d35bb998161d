//! What Compose asks the engine for: what it is known to need, and nothing else.

use http::Method;

/// What can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Container,
    Network,
    Volume,
}

/// A request, by what is to be decided of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Create(Kind),
    /// Starting a container, or starting it again.
    Start {
        container: String,
        verb: String,
    },
    /// A network for a container.
    Connect {
        network: String,
    },
    Build,
    /// Nothing of the host can be had with it.
    Harmless,
    /// Not known, so not passed on.
    Other,
}

impl Asked {
    /// By the path that is sent (Docker Engine API).
    pub(super) fn read(method: &Method, path: &str) -> Self {
        if matches!(*method, Method::GET | Method::HEAD) {
            return Self::Harmless;
        }
        // The engine reads `%73tart` as `start`.
        if path.contains(['%', '\\']) {
            return Self::Other;
        }
        let mut parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        if parts.first().is_some_and(|first| is_version(first)) {
            parts.remove(0);
        }
        match (method.as_str(), parts.as_slice()) {
            ("POST", ["containers", "create"]) => Self::Create(Kind::Container),
            ("POST", ["networks", "create"]) => Self::Create(Kind::Network),
            ("POST", ["volumes", "create"]) => Self::Create(Kind::Volume),
            ("POST", ["containers", container, verb @ ("start" | "restart")]) => {
                Self::Start { container: (*container).to_owned(), verb: (*verb).to_owned() }
            }
            ("POST", ["networks", network, "connect"]) => Self::Connect { network: (*network).to_owned() },
            ("POST", ["build"]) => Self::Build,
            (
                "POST",
                ["containers", _, "stop" | "kill" | "wait" | "attach" | "rename" | "resize" | "pause" | "unpause"]
                | ["networks", _, "disconnect"]
                | ["images", "create"]
                | ["images", .., "tag"]
                | ["auth" | "session" | "grpc"],
            )
            // What a file of configuration becomes in a container that was decided.
            | ("PUT", ["containers", _, "archive"])
            | ("DELETE", ["containers" | "networks" | "volumes", _] | ["images", ..]) => Self::Harmless,
            _ => Self::Other,
        }
    }
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decided_is_known_and_what_is_not_known_is_not_passed_on() {
        let post = |path: &str| Asked::read(&Method::POST, path);
        for version in ["", "/v1.41", "/v1.51"] {
            assert_eq!(post(&format!("{version}/containers/create")), Asked::Create(Kind::Container));
            assert_eq!(post(&format!("{version}/volumes/create")), Asked::Create(Kind::Volume));
            assert!(matches!(post(&format!("{version}/containers/a/restart")), Asked::Start { .. }));
            assert!(matches!(post(&format!("{version}/networks/a/connect")), Asked::Connect { .. }));
            assert_eq!(post(&format!("{version}/build")), Asked::Build);
            assert_eq!(post(&format!("{version}/images/a/b/tag")), Asked::Harmless);
        }
        for other in [
            "/v1.41/containers/a/%73tart",
            "/v1.41/containers/%63reate",
            "/v1.41/containers/a/update",
            "/v1.41/containers/a/exec",
            "/v1.41/exec/a/start",
            "/v1.41/images/load",
            "/v1.41/plugins/pull",
            "/v1.41/swarm/init",
            "/v1.41/services/create",
            "/v1.41/v1.41/containers/create",
            "/x/containers/create",
            "/v1.41/CONTAINERS/create",
            "/commit",
        ] {
            assert_eq!(post(other), Asked::Other, "{other}");
        }
        assert_eq!(Asked::read(&Method::PUT, "/v1.41/containers/a/archive"), Asked::Harmless);
        assert_eq!(Asked::read(&Method::DELETE, "/v1.41/volumes/a"), Asked::Harmless);
        assert_eq!(Asked::read(&Method::PATCH, "/v1.41/containers/a"), Asked::Other);
        assert_eq!(Asked::read(&Method::GET, "/v1.41/images/a%40sha256:0/json"), Asked::Harmless);
    }
}
