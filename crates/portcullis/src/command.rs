//! The command line.

use crate::assemble::{self, Builtins};
use crate::plan::{Plan, Read};
use crate::{demo, docker, health, house, openapi, serve, token, visit, zim};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use config::SystemEnv;
use std::io::Write as _;
use std::path::PathBuf;

/// Puts MCP servers into production: one door with identity, policy, limits and audit.
#[derive(Parser)]
#[command(
    name = "portcullis",
    version,
    after_help = "Examples:\n  \
        portcullis demo                                something to try, with nothing configured\n  \
        portcullis zim ~/zims                          archives for a desktop client\n  \
        portcullis docker                              a Docker engine for a desktop client\n  \
        portcullis serve --config portcullis.jsonc     offer the servers of a file on http://127.0.0.1:8000\n  \
        portcullis serve --config portcullis.jsonc --stdio     the same servers for one desktop client\n  \
        portcullis openapi -- uvx mcp-server-time      one server as REST, as mcpo does it\n  \
        portcullis check --config portcullis.jsonc     is the file right, and what does it come to?\n  \
        portcullis tools time                          what can the server do?\n  \
        portcullis call time get_current_time timezone=UTC     try it\n\n\
        Called by the name mcpo, openzim-mcp or mcp-docker (a link), it is that program's command.\n\
        Exit codes: 0 success, 1 a wrong setting or a failure, 2 a wrong command line."
)]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Offers the servers of a settings file over HTTP, or on stdio
    Serve(Serve),
    /// Serves a sample archive on this machine, with nothing configured
    Demo {
        /// Where to listen instead of 127.0.0.1:8000
        #[arg(long, value_name = "ADDR:PORT")]
        listen: Option<String>,
    },
    /// Offers folders of ZIM archives: what openzim-mcp does, with its flags
    Zim(zim::Flags),
    /// Offers a Docker engine: what mcp-docker does, with its flags and variables
    #[command(disable_version_flag = true)]
    Docker(docker::Flags),
    /// Offers one command, or a file of servers, as REST with OpenAPI: what mcpo does, with its flags
    Openapi(Box<openapi::Flags>),
    /// Checks a settings file and prints what it comes to, secrets hidden
    Check {
        /// The settings file
        #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
        config: PathBuf,
        /// Prints the JSON Schema of settings files instead, for editors
        #[arg(long)]
        schema: bool,
    },
    /// Lists what the servers of a settings file can do: for people, or as JSON in a pipe
    Tools {
        /// Only this server
        server: Option<String>,
        /// The settings file
        #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
        config: PathBuf,
    },
    /// Calls a tool of a server of a settings file
    #[command(after_help = "Examples:\n  \
        portcullis call time get_current_time timezone=UTC\n  \
        portcullis call time get_current_time '{\"timezone\": \"UTC\"}' | jq .")]
    Call {
        /// The server, by its name in the file
        server: String,
        /// The tool
        tool: String,
        /// Its arguments, each as name=value, or all as one JSON object
        arguments: Vec<String>,
        /// The settings file
        #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
        config: PathBuf,
    },
    /// Works with tokens
    #[command(subcommand)]
    Token(Token),
    /// Asks a running gateway how it is; fails if it is not ready
    Health {
        /// Where it is
        #[arg(default_value = "http://127.0.0.1:8000")]
        url: String,
        /// Shows each server's state as well
        #[arg(long, env = "PORTCULLIS_TOKEN", hide_env_values = true)]
        token: Option<String>,
    },
    /// Works with audit files
    #[command(subcommand)]
    Audit(Audit),
    /// Prints completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Writes the manual pages
    Manual {
        /// Where to
        #[arg(default_value = ".", value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Ends the process groups it was told of when its input ends
    #[command(hide = true, name = house::REAPER)]
    Reaper,
}

/// What commands read that are not told.
const DEFAULT_FILE: &str = "portcullis.jsonc";

#[derive(Subcommand)]
enum Token {
    /// Prints a new token, and the hash of it for the settings
    New,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// The settings file; a file written for Claude Desktop or mcpo works unchanged
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
    pub(crate) config: PathBuf,
    /// Where to listen instead of the file's `listen`
    #[arg(long, value_name = "ADDR:PORT", conflicts_with = "stdio")]
    pub(crate) listen: Option<String>,
    /// Serve one client on standard input and output instead of HTTP
    #[arg(long)]
    pub(crate) stdio: bool,
}

#[derive(Subcommand)]
enum Audit {
    /// Checks that no line of an audit file was changed, added or taken out. What is missing at the
    /// very end is only seen with `--last`
    Verify {
        /// The hash that the last line had, as this command printed it before
        #[arg(long, value_name = "HASH")]
        last: Option<String>,
        /// Audit files, oldest first
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

impl Serve {
    fn plan(self) -> Result<Plan, String> {
        let Self { config, listen, stdio } = self;
        let listen = match &listen {
            Some(text) => {
                Some(text.parse::<config::Listen>().map_err(|e: config::Invalid| format!("--listen {text:?} {e}"))?)
            }
            None => None,
        };
        let source = move || {
            Read::file(&config).changed(|settings| {
                if let Some(listen) = &listen {
                    settings.listen = listen.clone();
                    settings.source.listen_line = None;
                }
                Ok(())
            })
        };
        let mut plan = Plan::new(source);
        plan.stdio = stdio;
        plan.follows = true;
        Ok(plan)
    }
}

impl Command {
    pub(crate) fn run(self, builtins: Builtins) -> Result<(), String> {
        match self.action {
            Action::Serve(options) => serve::run(options.plan()?, builtins),
            Action::Demo { listen } => serve::run(demo::plan(listen.as_deref())?, builtins),
            Action::Docker(flags) => match docker::plan(&flags)? {
                Some(plan) => serve::run(plan, builtins),
                None => Ok(()),
            },
            Action::Zim(flags) => match flags.job() {
                Some(done) => done,
                None => {
                    let (plan, zim) = zim::plan(&flags)?;
                    serve::run(plan, builtins.with_zim(zim))
                }
            },
            Action::Openapi(flags) => serve::run(openapi::checked_plan(*flags)?, builtins),
            Action::Check { schema: true, .. } => {
                print(config::schema());
                Ok(())
            }
            Action::Check { config, .. } => check(&config, &builtins),
            Action::Tools { server, config } => visit::tools(&config, server.as_deref(), builtins),
            Action::Call { server, tool, arguments, config } => {
                visit::call(&config, &server, &tool, &arguments, builtins)
            }
            Action::Token(Token::New) => token::new(),
            Action::Health { url, token } => health::run(&url, token.as_deref()),
            Action::Audit(Audit::Verify { files, last }) => verify(&files, last.as_deref()),
            Action::Completions { shell } => {
                clap_complete::generate(shell, &mut Self::command(), "portcullis", &mut std::io::stdout());
                Ok(())
            }
            Action::Manual { folder } => {
                let place = folder.display();
                std::fs::create_dir_all(&folder).map_err(|e| format!("{place} cannot be made: {e}"))?;
                clap_mangen::generate_to(Self::command(), &folder).map_err(|e| format!("{place}: {e}"))
            }
            Action::Reaper => {
                upstream::child::reaper_main();
                Ok(())
            }
        }
    }
}

fn check(file: &std::path::Path, builtins: &Builtins) -> Result<(), String> {
    let settings = config::load(file, &SystemEnv).map_err(|e| e.to_string())?;
    assemble::check(&settings, builtins)?;
    let mut warnings: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
    let safe = settings.check_safe_start().map_err(|e| e.to_string())?;
    warnings.extend(safe.iter().map(ToString::to_string));
    for warning in warnings {
        eprintln!("{warning}");
    }
    print(&settings.effective_json());
    Ok(())
}

fn verify(files: &[PathBuf], last: Option<&str>) -> Result<(), String> {
    let mut head: Option<String> = None;
    for file in files {
        let name = file.display();
        let found = gate::verify(file).map_err(|e| format!("{name}: {e}"))?;
        if let (Some(head), continues) = (&head, &found.continues)
            && continues.as_ref() != Some(head)
        {
            return Err(format!("{name}: does not go on where the file before it ends"));
        }
        print(&format!("{name}: {} lines in order, numbers {} to {}", found.lines, found.first_seq, found.last_seq));
        if let Some(before) = found.continues.filter(|_| head.is_none()) {
            print(&format!("{name}: goes on from a file whose last line has the hash {before}"));
        }
        if found.torn_bytes > 0 {
            let torn = found.torn_bytes;
            print(&format!(
                "{name}: ends in {torn} bytes of a line that was being written when the process was killed"
            ));
        }
        head = Some(found.head);
    }
    match (head, last) {
        (Some(head), Some(last)) if !head.eq_ignore_ascii_case(last.trim()) => {
            Err(format!("the last line has the hash {head}, not {last}: the end was changed, cut off or added to"))
        }
        (Some(head), _) => {
            print(&format!("the last line has the hash {head}"));
            Ok(())
        }
        (None, _) => Ok(()),
    }
}

/// Prints a line. Whoever reads may stop reading: that is no failure of ours.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
