//! Why a tool has no answer: the engine's reason, and what to do next.

use crate::engine::EngineError;
use mcp::builtin::Fail;

/// A tool's failure, as a sentence for who called it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The call is not what it should be.
    Said(String),
    /// The rules do not allow it.
    Refused(String),
    /// The engine did not do it.
    Engine(EngineError),
    /// The person or the protocol ended it.
    Protocol(mcp::Error),
}

impl Fault {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self::Said(sentence.into())
    }

    /// The same with one more sentence.
    pub(crate) fn and(self, more: &str) -> Self {
        match self {
            Self::Said(why) => Self::Said(format!("{why} {more}")),
            Self::Refused(why) => Self::Refused(format!("{why} {more}")),
            Self::Engine(error) => Self::Said(format!("{} {more}", sentence(&error))),
            Self::Protocol(error) => Self::Protocol(error),
        }
    }

    /// The same, and what it is about.
    pub(crate) fn about(self, what: &str) -> Self {
        match self {
            Self::Said(why) => Self::Said(format!("{what}: {why}")),
            Self::Refused(why) => Self::Refused(format!("{what}: {why}")),
            other => other,
        }
    }

    /// The rules do not allow it, and the audit says so.
    pub(crate) fn refused(sentence: impl Into<String>) -> Self {
        Self::Refused(sentence.into())
    }
}

impl From<String> for Fault {
    fn from(sentence: String) -> Self {
        Self::Said(sentence)
    }
}

impl From<&str> for Fault {
    fn from(sentence: &str) -> Self {
        Self::Said(sentence.to_owned())
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<mcp::Error> for Fault {
    fn from(error: mcp::Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<Fault> for Fail {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Said(sentence) => Self::Tool(sentence),
            Fault::Refused(sentence) => Self::Refused(sentence),
            Fault::Engine(error) => Self::Tool(sentence(&error)),
            Fault::Protocol(error) => Self::Protocol(error),
        }
    }
}

/// The engine's reason and the way on.
pub(crate) fn sentence(error: &EngineError) -> String {
    let reason = error.to_string();
    let reason = reason.trim_end_matches('.');
    let next = match error {
        EngineError::Setup(_) => "",
        EngineError::Away(_) => "Start it, or say where it is in DOCKER_HOST; it is tried again with the next call.",
        EngineError::Late(_) => "It may be busy: try again, or raise DOCKER_TIMEOUT.",
        EngineError::Garbled(_) | EngineError::TooLarge(_) => "Ask for less, or use the docker command for this.",
        EngineError::Refused { status, message } => hint(*status, &message.to_ascii_lowercase()),
    };
    if next.is_empty() { format!("{reason}.") } else { format!("{reason}. {next}") }
}

fn hint(status: u16, message: &str) -> &'static str {
    let says = |words: &str| message.contains(words);
    match status {
        _ if says("cannot be removed without force") => "Stop it first, or use force.",
        _ if says("network is being used") => "Disconnect its containers first with docker_disconnect_container.",
        _ if says("container state improper") => "Start it first with docker_start_container.",
        404 if message == "not found" => "This engine does not offer that; Podman has only a part of Docker's API.",
        404 if says("status 404") || says("layer not known") => {
            "docker_list_containers with all=true shows the containers there are."
        }
        404 if says("container") && !says("image") => "docker_list_containers with all=true shows those there are.",
        404 if says("image") || says("manifest") || says("repository") => {
            "docker_list_images shows those here; docker_pull_image fetches one from a registry."
        }
        404 if says("network") => "docker_list_networks shows those there are.",
        404 if says("volume") => "docker_list_volumes shows those there are.",
        409 if says("already in use by container") => "Choose another name, or remove or rename that container.",
        409 if says("volume is in use") || says("volume is being used") => "Remove the containers that use it first.",
        409 if says("is running") || says("running container") => "Stop it first, or use force.",
        409 if says("is not running") => "Start it first with docker_start_container.",
        409 if says("is paused") => "Unpause it first with docker_unpause_container.",
        409 if says("conflict") => "docker_list_containers with all=true shows what uses it.",
        403 if says("active endpoints") => "Disconnect its containers first with docker_disconnect_container.",
        401 | 403 => "Log in first with docker_login, or check the name.",
        500 if says("unauthorized") || says("resource is denied") || says("access denied") || says("no basic auth") => {
            "Log in to the registry first with docker_login, or check the name."
        }
        500 if says("connection refused")
            || says("no such host")
            || says("i/o timeout")
            || says("deadline exceeded") =>
        {
            "The engine cannot reach that registry; check the name, the network and the registry."
        }
        500 if says("port is already allocated") || says("address already in use") => {
            "Publish another host port, or stop what uses this one."
        }
        500 if says("executable file not found") || says("no such file or directory") => {
            "The command does not exist in the image."
        }
        503 => "The engine is starting or a swarm is missing; try again.",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_reason_comes_with_what_to_do() {
        let refused = |status, message: &str| sentence(&EngineError::Refused { status, message: message.into() });
        assert_eq!(
            refused(404, "No such container: web"),
            "No such container: web. docker_list_containers with all=true shows those there are."
        );
        assert!(refused(500, "can only kill running containers: container state improper").contains("Start it first"));
        let running = "running or paused containers cannot be removed without force: container state improper";
        assert!(refused(500, running).contains("Stop it first"));
        assert!(refused(404, "Not Found").contains("Podman"));
        assert!(refused(500, "Get https://r/v2/: unauthorized: x").contains("docker_login"));
        assert_eq!(refused(418, "I am a teapot."), "I am a teapot.");
        assert!(sentence(&EngineError::Away("no such file".into())).contains("DOCKER_HOST"));
    }
}
