//! What people say when they create a container, as the engine is told. What opens the host is decided in `isolation`.

use crate::command;
use crate::dock::Dock;
use crate::environment;
use crate::fault::Fault;
use crate::image::Image;
use crate::isolation;
use crate::lenient::{Lenient, Scalar, Words, maybe};
use crate::names;
use crate::ports::{self, Binding};
use crate::settings::Safety;
use crate::units;
use crate::volumes::{self, Bound};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Arguments of `docker_create_container`, and most of those of `docker_run_container`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "CreateContainer")]
pub(crate) struct Create {
    /// Image name to create container from
    pub(crate) image: String,
    /// Optional container name
    pub(crate) name: Option<String>,
    /// Command to run
    pub(crate) command: Option<Words>,
    /// Environment variables as key-value pairs, like {"DEBUG": "true"}
    pub(crate) environment: Option<Lenient<BTreeMap<String, Scalar>>>,
    /// Ports: container port to host port, like {"80/tcp": 8080}, {"80": ["127.0.0.1", 8080]}
    pub(crate) ports: Option<Lenient<BTreeMap<String, Option<Binding>>>>,
    /// Volumes: host path or volume to its place, like {"/srv/data": {"bind": "/data", "mode": "ro"}}
    pub(crate) volumes: Option<Lenient<BTreeMap<String, Bound>>>,
    /// Run in the background
    #[serde(default = "yes")]
    pub(crate) detach: bool,
    /// Remove container when it exits
    #[serde(default)]
    pub(crate) remove: bool,
    /// Memory limit (e.g., '512m', '1.5g')
    pub(crate) mem_limit: Option<Scalar>,
    /// CPU shares (relative weight)
    pub(crate) cpu_shares: Option<i64>,
    #[serde(flatten)]
    pub(crate) more: More,
}

const fn yes() -> bool {
    true
}

/// What goes beyond mcp-docker's parameters.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct More {
    /// Program instead of the image's
    entrypoint: Option<Words>,
    /// Working directory
    workdir: Option<String>,
    /// User, like 1000:1000
    user: Option<String>,
    hostname: Option<String>,
    /// Labels as key-value pairs
    labels: Option<Lenient<BTreeMap<String, Scalar>>>,
    /// Network to join; also none, bridge, container:NAME
    network: Option<String>,
    /// Further names in that network
    network_aliases: Option<Vec<String>>,
    /// no, always, unless-stopped, on-failure or on-failure:N
    restart_policy: Option<String>,
    /// Processors, like 1.5
    cpus: Option<f64>,
    /// Processors to run on, like 0-2
    cpuset_cpus: Option<String>,
    /// Memory and swap together; -1 for unlimited swap
    memory_swap: Option<Scalar>,
    memory_reservation: Option<Scalar>,
    /// Size of /dev/shm
    shm_size: Option<Scalar>,
    /// Most processes
    pids_limit: Option<i64>,
    /// Health check: {"test": ["CMD", "true"], "interval": 30, "timeout": 5, "retries": 3, "start_period": 10}
    healthcheck: Option<Lenient<Health>>,
    /// Capabilities to add
    cap_add: Option<Vec<String>>,
    /// Capabilities to drop
    cap_drop: Option<Vec<String>>,
    /// All capabilities and devices; refused unless the operator allows it
    #[serde(default)]
    privileged: bool,
    /// Root file system is read-only
    #[serde(default)]
    read_only: bool,
    /// Folders in memory with their options, like {"/tmp": "size=64m"}
    tmpfs: Option<Lenient<BTreeMap<String, String>>>,
    /// GPUs: "all", a number, or a list of ids
    gpus: Option<Gpus>,
    /// Devices, like /dev/fuse; refused unless the operator allows them
    devices: Option<Vec<String>>,
    /// Like no-new-privileges
    security_opt: Option<Vec<String>>,
    /// Process namespace, like container:NAME
    pid_mode: Option<String>,
    ipc_mode: Option<String>,
    uts_mode: Option<String>,
    userns_mode: Option<String>,
    cgroupns_mode: Option<String>,
    /// Further hosts, like {"db": "10.0.0.5"}
    extra_hosts: Option<Lenient<BTreeMap<String, String>>>,
    dns: Option<Vec<String>>,
    dns_search: Option<Vec<String>>,
    stop_signal: Option<String>,
    /// Seconds until it is killed when it is stopped
    stop_timeout: Option<u32>,
    /// A small init process reaps zombies
    #[serde(default)]
    init: bool,
    /// Give it a terminal
    #[serde(default)]
    tty: bool,
    /// Keep its input open
    #[serde(default)]
    stdin_open: bool,
    /// json-file, local, journald or none
    log_driver: Option<String>,
    log_options: Option<Lenient<BTreeMap<String, Scalar>>>,
    /// Limits, like {"nofile": 1024} or {"nofile": "1024:2048"}
    ulimits: Option<Lenient<BTreeMap<String, Scalar>>>,
    /// Kernel parameters of its own namespaces
    sysctls: Option<Lenient<BTreeMap<String, Scalar>>>,
    /// Further groups
    group_add: Option<Vec<Scalar>>,
    /// Like linux/arm64
    platform: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Health {
    /// A list that begins with CMD, CMD-SHELL or NONE, or a shell command
    test: Option<Words>,
    interval: Option<Scalar>,
    timeout: Option<Scalar>,
    start_period: Option<Scalar>,
    retries: Option<u32>,
    /// Switch the image's own off
    #[serde(default)]
    disable: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Gpus {
    Count(u32),
    Text(String),
    Ids(Vec<String>),
}

/// What is sent to create a container.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) name: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) json: Value,
}

/// Reads and decides all of it.
pub(crate) async fn body(dock: &Dock, given: Create) -> Result<Body, Fault> {
    let safety = dock.safety();
    let image = Image::parse(&given.image)?;
    let name = given.name.as_deref().filter(|n| !n.is_empty()).map(names::container).transpose()?.map(str::to_owned);
    let more = given.more;
    let published = ports::publish(maybe(given.ports, "ports")?, safety.publish)?;
    let mut config = Map::new();
    let mut host = Map::new();
    let put = |into: &mut Map<String, Value>, key: &str, value: Option<Value>| {
        if let Some(value) = value {
            into.insert(key.to_owned(), value);
        }
    };
    config.insert("Image".into(), json!(image.as_str()));
    put(&mut config, "Cmd", command::words(given.command)?.map(Value::from));
    put(&mut config, "Entrypoint", command::words(more.entrypoint)?.map(Value::from));
    put(&mut config, "Env", Some(json!(environment::variables(maybe(given.environment, "environment")?)?)));
    put(&mut config, "Labels", Some(json!(environment::labels(maybe(more.labels, "labels")?)?)));
    put(&mut config, "WorkingDir", more.workdir.map(Value::from));
    put(&mut config, "User", more.user.map(Value::from));
    put(&mut config, "Hostname", more.hostname.map(Value::from));
    put(&mut config, "StopSignal", more.stop_signal.map(Value::from));
    put(&mut config, "StopTimeout", more.stop_timeout.map(Value::from));
    put(&mut config, "Healthcheck", more.healthcheck.map(|h| h.get("healthcheck").and_then(health)).transpose()?);
    config.insert("Tty".into(), json!(more.tty));
    config.insert("OpenStdin".into(), json!(more.stdin_open));
    config.insert("ExposedPorts".into(), Value::Object(published.exposed));

    host.insert("PortBindings".into(), Value::Object(published.bindings));
    host.insert("AutoRemove".into(), json!(given.remove));
    host.insert("ReadonlyRootfs".into(), json!(more.read_only));
    host.insert("Init".into(), json!(more.init));
    let binds = volumes::binds(dock, maybe(given.volumes, "volumes")?).await?;
    crate::start::apart(dock, &crate::start::binds(&binds), "").await?;
    host.insert("Binds".into(), json!(binds));
    let memory = |name: &str, given: &Option<Scalar>| given.as_ref().map(|m| units::bytes(name, m)).transpose();
    put(&mut host, "Memory", memory("mem_limit", &given.mem_limit)?.map(Value::from));
    put(&mut host, "MemoryReservation", memory("memory_reservation", &more.memory_reservation)?.map(Value::from));
    put(&mut host, "ShmSize", memory("shm_size", &more.shm_size)?.map(Value::from));
    let swap = match &more.memory_swap {
        Some(swap) if swap.to_string().trim() == "-1" => Some(-1),
        other => memory("memory_swap", other)?,
    };
    put(&mut host, "MemorySwap", swap.map(Value::from));
    put(&mut host, "CpuShares", given.cpu_shares.map(Value::from));
    put(&mut host, "NanoCpus", more.cpus.map(units::nano_cpus).transpose()?.map(Value::from));
    put(&mut host, "CpusetCpus", more.cpuset_cpus.map(Value::from));
    put(&mut host, "PidsLimit", more.pids_limit.map(Value::from));
    put(&mut host, "RestartPolicy", more.restart_policy.as_deref().map(restart).transpose()?);
    put(&mut host, "GroupAdd", more.group_add.map(|g| g.iter().map(ToString::to_string).collect::<Vec<_>>().into()));
    put(&mut host, "Dns", more.dns.map(Value::from));
    put(&mut host, "DnsSearch", more.dns_search.map(Value::from));
    let hosts: BTreeMap<_, _> = maybe(more.extra_hosts, "extra_hosts")?;
    host.insert("ExtraHosts".into(), hosts.iter().map(|(n, a)| format!("{n}:{a}")).collect::<Vec<_>>().into());
    host.insert("Tmpfs".into(), json!(tmpfs(maybe(more.tmpfs, "tmpfs")?)?));
    host.insert("Ulimits".into(), json!(ulimits(maybe(more.ulimits, "ulimits")?)?));
    let sysctls: BTreeMap<String, Scalar> = maybe(more.sysctls, "sysctls")?;
    host.insert(
        "Sysctls".into(),
        sysctls.into_iter().map(|(k, v)| (k, v.to_string().into())).collect::<Map<_, _>>().into(),
    );
    put(&mut host, "DeviceRequests", more.gpus.map(gpus).transpose()?);
    put(&mut host, "LogConfig", log(safety, more.log_driver, maybe(more.log_options, "log_options")?)?);

    isolation::privileged(safety, more.privileged)?;
    host.insert("Privileged".into(), json!(more.privileged));
    put(&mut host, "CapAdd", more.cap_add.map(|caps| isolation::capabilities(safety, caps)).transpose()?);
    put(
        &mut host,
        "CapDrop",
        more.cap_drop.map(|caps| Value::from(caps.iter().map(|c| isolation::cap(c)).collect::<Vec<_>>())),
    );
    put(&mut host, "SecurityOpt", more.security_opt.map(|all| isolation::security_options(safety, all)).transpose()?);
    if let Some(devices) = more.devices {
        host.insert("Devices".into(), isolation::devices_of(dock, devices).await?);
    }
    for (kind, mode) in [
        ("pid", &more.pid_mode),
        ("ipc", &more.ipc_mode),
        ("uts", &more.uts_mode),
        ("userns", &more.userns_mode),
        ("cgroupns", &more.cgroupns_mode),
        ("network", &more.network),
    ] {
        isolation::joined(dock, kind, mode.as_deref().unwrap_or_default()).await?;
    }
    for (key, kind, mode) in [
        ("PidMode", "pid", &more.pid_mode),
        ("IpcMode", "ipc", &more.ipc_mode),
        ("UTSMode", "uts", &more.uts_mode),
        ("UsernsMode", "userns", &more.userns_mode),
        ("CgroupnsMode", "cgroupns", &more.cgroupns_mode),
    ] {
        put(
            &mut host,
            key,
            mode.as_deref().map(|mode| isolation::namespace(safety, kind, mode)).transpose()?.map(Value::from),
        );
    }
    if let Some(network) = &more.network {
        let network = isolation::namespace(safety, "network", network)?;
        let own =
            !matches!(network.as_str(), "none" | "host" | "bridge" | "default") && !network.starts_with("container:");
        if let Some(aliases) = more.network_aliases.filter(|_| own) {
            config
                .insert("NetworkingConfig".into(), json!({ "EndpointsConfig": { &network: { "Aliases": aliases } } }));
        }
        host.insert("NetworkMode".into(), json!(network));
    }
    config.insert("HostConfig".into(), Value::Object(host));
    Ok(Body { name, platform: more.platform, json: Value::Object(config) })
}

pub(crate) fn restart(text: &str) -> Result<Value, Fault> {
    let (name, count) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
    let most = if count.is_empty() { Some(0) } else { count.parse::<u32>().ok() };
    match (name, most) {
        ("on-failure", Some(most)) => Ok(json!({ "Name": name, "MaximumRetryCount": most })),
        ("no" | "always" | "unless-stopped", _) if count.is_empty() => Ok(json!({ "Name": name })),
        _ => Err(Fault::new(format!(
            "restart_policy: {text:?} is none; write no, always, unless-stopped, on-failure or on-failure:5."
        ))),
    }
}

fn health(given: Health) -> Result<Value, Fault> {
    if given.disable {
        return Ok(json!({ "Test": ["NONE"] }));
    }
    let test = match given.test {
        Some(Words::One(text)) => Some(vec!["CMD-SHELL".to_owned(), text]),
        Some(Words::Many(words)) if matches!(words.first().map(String::as_str), Some("CMD" | "CMD-SHELL" | "NONE")) => {
            Some(words)
        }
        Some(Words::Many(words)) if words.is_empty() => None,
        Some(Words::Many(words)) => Some([vec!["CMD".to_owned()], words].concat()),
        None => None,
    };
    let mut out = Map::new();
    if let Some(test) = test {
        out.insert("Test".into(), test.into());
    }
    for (key, name, value) in [
        ("Interval", "interval", given.interval),
        ("Timeout", "timeout", given.timeout),
        ("StartPeriod", "start_period", given.start_period),
    ] {
        if let Some(value) = value {
            out.insert(key.into(), units::nanoseconds(&format!("healthcheck.{name}"), &value)?.into());
        }
    }
    if let Some(retries) = given.retries {
        out.insert("Retries".into(), retries.into());
    }
    Ok(Value::Object(out))
}

fn tmpfs(given: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Fault> {
    match given.keys().find(|path| crate::mounts::lexical(path).is_none_or(|p| p.parent().is_none())) {
        Some(path) => Err(Fault::new(format!("tmpfs: {path:?} is no absolute path in the container below /."))),
        None => Ok(given),
    }
}

fn ulimits(given: BTreeMap<String, Scalar>) -> Result<Vec<Value>, Fault> {
    let one = |(name, limit): (String, Scalar)| {
        let text = limit.to_string();
        let (soft, hard) = text.split_once(':').unwrap_or((&text, &text));
        match (soft.trim().parse::<i64>(), hard.trim().parse::<i64>()) {
            (Ok(soft), Ok(hard)) => Ok(json!({ "Name": name, "Soft": soft, "Hard": hard })),
            _ => Err(Fault::new(format!("ulimits: {text:?} is no limit; write it like 1024 or 1024:2048."))),
        }
    };
    given.into_iter().map(one).collect()
}

fn gpus(given: Gpus) -> Result<Value, Fault> {
    let request = |count: i64, ids: Vec<String>| json!([{ "Driver": "", "Count": count, "DeviceIDs": ids, "Capabilities": [["gpu"]], "Options": {} }]);
    match given {
        Gpus::Count(count) => Ok(request(count.into(), Vec::new())),
        Gpus::Text(text) if text.trim() == "all" => Ok(request(-1, Vec::new())),
        Gpus::Text(text) => text.trim().parse::<u32>().map(|count| request(count.into(), Vec::new())).map_err(|_| {
            Fault::new(format!("gpus: {text:?} is neither \"all\" nor a number; a list names single ones."))
        }),
        Gpus::Ids(ids) => Ok(request(0, ids)),
    }
}

fn log(safety: &Safety, driver: Option<String>, options: BTreeMap<String, Scalar>) -> Result<Option<Value>, Fault> {
    let Some(driver) = driver else {
        return if options.is_empty() { Ok(None) } else { Err(Fault::new("log_options: they need a log_driver.")) };
    };
    isolation::log_driver(safety, &driver)?;
    let options: BTreeMap<_, _> = options.into_iter().map(|(k, v)| (k, v.to_string())).collect();
    Ok(Some(json!({ "Type": driver, "Config": options })))
}

impl Create {
    /// Its output is one stream then.
    pub(crate) const fn has_terminal(&self) -> bool {
        self.more.tty
    }
}
