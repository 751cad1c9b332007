//! A profile as a blueprint for Render, in an image of the repository's Dockerfile: one background worker with a disk, or the
//! workers of a fleet and their database.

use std::num::NonZero;

use serde::Serialize;

use crate::domain::profile::Profile;
use crate::domain::units::{Bytes, GIB, MIB};

/// Where the image keeps queue and outputs; the disk is put there, so that both outlive a deploy.
const DISK: &str = "/var/lib/plimsoll";
/// Running jobs are stopped and noted within this many seconds, of which the service itself takes up to 30.
const SHUTDOWN: u32 = 60;
/// A worker of a fleet finishes what it does. Render waits no longer than this; what is cut off then is another worker's.
const DRAIN: u32 = 300;
/// The database of a fleet, and its smallest plan: the queue takes a kilobyte a job.
const DATABASE: &str = "plimsoll-queue";
const DATABASE_PLAN: &str = "basic-256mb";
/// What only the owner knows of a fleet: Render asks for it.
const ASKED: [&str; 4] = ["PLIMSOLL_FILES", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

/// Render's machines for background workers: name and memory.
const PLANS: [(&str, u64); 6] = [
    ("starter", 512 * MIB),
    ("standard", 2 * GIB),
    ("pro", 4 * GIB),
    ("pro plus", 8 * GIB),
    ("pro max", 16 * GIB),
    ("pro ultra", 32 * GIB),
];
/// For a profile that takes whatever there is: the machine that the guide is about.
const FOR_ALL: usize = 1;

/// The machine that a profile wants.
#[derive(Debug)]
pub(super) struct Plan {
    name: &'static str,
    /// Why this one.
    pub words: String,
}

/// The smallest machine that has the budget of a profile.
///
/// # Errors
/// There is none so large.
pub(super) fn plan(profile: &Profile) -> Result<Plan, String> {
    let size = |bytes: u64| Bytes(bytes).to_string();
    let Some(budget) = profile.memory.budget else {
        let (name, memory) = PLANS[FOR_ALL];
        return Ok(Plan { name, words: format!("The plan has {}; the profile takes what a plan has", size(memory)) });
    };
    let found = PLANS.iter().find(|(_, memory)| *memory >= budget.0);
    let (name, memory) = found.ok_or_else(|| {
        let largest = PLANS[PLANS.len() - 1];
        format!(
            "the profile {} wants a budget of {}, and Render's largest plan ({}) has {}; lower memory.budget, or set it to auto",
            profile.name,
            budget,
            largest.0,
            size(largest.1)
        )
    })?;
    Ok(Plan { name, words: format!("The plan has {} for a budget of {}", size(*memory), budget) })
}

#[derive(Debug, Serialize)]
pub(super) struct Blueprint {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    databases: Vec<Database>,
    services: [Service; 1],
}

#[derive(Debug, Serialize)]
struct Database {
    name: &'static str,
    plan: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    runtime: &'static str,
    plan: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_instances: Option<NonZero<u16>>,
    dockerfile_path: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    docker_command: Option<&'static str>,
    max_shutdown_delay_seconds: u32,
    env_vars: Vec<Variable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<Disk>,
}

#[derive(Debug, Serialize)]
struct Variable {
    key: String,
    #[serde(flatten)]
    from: Source,
}

/// Where the value of a variable comes from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Source {
    Value(String),
    FromDatabase {
        name: &'static str,
        property: &'static str,
    },
    /// `false`: Render asks for it once, and it stands in no file.
    Sync(bool),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Disk {
    name: &'static str,
    mount_path: &'static str,
    #[serde(rename = "sizeGB")]
    size: u64,
}

/// The whole file of a server.
pub(super) fn blueprint(profile: &Profile, plan: &Plan) -> Blueprint {
    // A file's name means nothing on another machine, but its profile's name does once the file is there.
    let own = [
        ("PLIMSOLL_PROFILE", Source::Value(profile.name.clone())),
        ("PLIMSOLL_STATE_DIR", Source::Value(format!("{DISK}/state"))),
        ("PLIMSOLL_OUT", Source::Value(format!("{DISK}/films"))),
    ];
    // Render sells whole gigabytes, and one at least.
    let size = profile.scratch_limit.map_or(1, |limit| limit.0.div_ceil(GIB).max(1));
    let service = Service {
        kind: "worker",
        name: "plimsoll",
        runtime: "docker",
        plan: plan.name,
        num_instances: None,
        dockerfile_path: "./Dockerfile",
        docker_command: None,
        max_shutdown_delay_seconds: SHUTDOWN,
        env_vars: variables(profile, own),
        disk: Some(Disk { name: "plimsoll", mount_path: DISK, size }),
    };
    Blueprint { databases: Vec::new(), services: [service] }
}

/// The whole file of a fleet of so many workers. They have no disk: a service with one cannot have several instances, and what a
/// worker loses another one does again.
pub(super) fn fleet(profile: &Profile, plan: &Plan, workers: NonZero<u16>) -> Blueprint {
    let queue = Source::FromDatabase { name: DATABASE, property: "connectionString" };
    let own = [("PLIMSOLL_PROFILE", Source::Value(profile.name.clone())), ("PLIMSOLL_QUEUE", queue)];
    let asked = ASKED.map(|name| (name, Source::Sync(false)));
    let service = Service {
        kind: "worker",
        name: "plimsoll-worker",
        runtime: "docker",
        plan: plan.name,
        num_instances: Some(workers),
        dockerfile_path: "./Dockerfile",
        docker_command: Some("worker"),
        max_shutdown_delay_seconds: DRAIN,
        env_vars: variables(profile, own.into_iter().chain(asked)),
        disk: None,
    };
    Blueprint { databases: vec![Database { name: DATABASE, plan: DATABASE_PLAN }], services: [service] }
}

/// These, and those of the profile that say nothing against them.
fn variables(profile: &Profile, own: impl IntoIterator<Item = (&'static str, Source)>) -> Vec<Variable> {
    let mut all: Vec<Variable> = own.into_iter().map(|(key, from)| Variable { key: key.to_owned(), from }).collect();
    for (key, value) in &profile.env {
        if all.iter().all(|known| known.key != *key) {
            all.push(Variable { key: key.clone(), from: Source::Value(value.clone()) });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_yaml::Value;

    use super::super::profiles_export_render;
    use super::*;
    use crate::config::profile;
    use crate::config::search::{SearchPaths, find};

    fn profile(budget: &str, more: &str) -> Profile {
        let text = format!(
            "name: x\nmax_concurrent: 1\nmax_file_size: 1MB\nmemory: {{ budget: {budget}, high_water: 75%, low_water: 65%, reserve: 32MB }}\n{more}"
        );
        profile::parse(Path::new("x.yaml"), &text).expect("valid")
    }

    #[test]
    fn the_blueprint_of_a_profile_is_a_worker_with_its_disk_its_plan_and_its_variables() {
        let text = profiles_export_render(&SearchPaths::default(), "balanced", None).expect("known");
        let expected = "# The profile balanced (2/200): built in
# Beside the Dockerfile, which runs `plimsoll serve`. The plan has 2 GB for a budget of 2 GB.
services:
- type: worker
  name: plimsoll
  runtime: docker
  plan: standard
  dockerfilePath: ./Dockerfile
  maxShutdownDelaySeconds: 60
  envVars:
  - key: PLIMSOLL_PROFILE
    value: balanced
  - key: PLIMSOLL_STATE_DIR
    value: /var/lib/plimsoll/state
  - key: PLIMSOLL_OUT
    value: /var/lib/plimsoll/films
  - key: MALLOC_TRIM_THRESHOLD_
    value: '100000'
  disk:
    name: plimsoll
    mountPath: /var/lib/plimsoll
    sizeGB: 2
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_fleet_is_its_database_and_so_many_workers_without_a_disk_and_no_secret_stands_in_the_file() {
        let text = profiles_export_render(&SearchPaths::default(), "balanced", NonZero::new(3)).expect("known");
        let told: Value = serde_yaml::from_str(&text).expect("YAML");
        let expected: Value = serde_yaml::from_str(
            "databases: [{ name: plimsoll-queue, plan: basic-256mb }]
services:
- type: worker
  name: plimsoll-worker
  runtime: docker
  plan: standard
  numInstances: 3
  dockerfilePath: ./Dockerfile
  dockerCommand: worker
  maxShutdownDelaySeconds: 300
  envVars:
  - { key: PLIMSOLL_PROFILE, value: balanced }
  - { key: PLIMSOLL_QUEUE, fromDatabase: { name: plimsoll-queue, property: connectionString } }
  - { key: PLIMSOLL_FILES, sync: false }
  - { key: AWS_REGION, sync: false }
  - { key: AWS_ACCESS_KEY_ID, sync: false }
  - { key: AWS_SECRET_ACCESS_KEY, sync: false }
  - { key: MALLOC_TRIM_THRESHOLD_, value: '100000' }
",
        )
        .expect("YAML");
        assert_eq!(told, expected, "{text}");
        assert!(text.contains("# The database has to be filled once: `plimsoll fleet init`"), "{text}");
        // The command goes to the image's entry point.
        let image = include_str!("../../../../Dockerfile");
        assert!(image.contains("ENTRYPOINT [\"tini\", \"--\", \"plimsoll\"]"));
    }

    #[test]
    fn the_folders_of_the_blueprint_are_those_of_the_image_and_lie_on_the_disk() {
        let image = include_str!("../../../../Dockerfile");
        let text = profiles_export_render(&SearchPaths::default(), "safe", None).expect("known");
        let service = &serde_yaml::from_str::<Value>(&text).expect("YAML")["services"][0];
        let disk = service["disk"]["mountPath"].as_str().expect("a path");
        assert!(image.contains(&format!("install -d -m 1777 {disk}")) && image.contains(&format!("VOLUME {disk}")), "{disk}");
        let folders = service["envVars"]
            .as_sequence()
            .expect("a list")
            .iter()
            .filter(|entry| entry["value"].as_str().is_some_and(|value| value.starts_with('/')));
        let folders: Vec<_> =
            folders.map(|entry| (entry["key"].as_str().expect("a key"), entry["value"].as_str().expect("a value"))).collect();
        assert_eq!(folders.len(), 2);
        for (key, value) in folders {
            assert!(value.starts_with(&format!("{disk}/")) && image.contains(&format!("{key}={value}")), "{key}={value}\n{image}");
        }
    }

    #[test]
    fn the_list_of_variables_may_stand_in_a_profile_as_it_is() {
        let text = profiles_export_render(&SearchPaths::default(), "balanced", None).expect("known");
        let value: Value = serde_yaml::from_str(&text).expect("YAML");
        let list = serde_yaml::to_string(&value["services"][0]["envVars"]).expect("YAML");
        let read = profile("2GB", &format!("envVars:\n{list}"));
        let mut env = find::<Profile>(&SearchPaths::default(), "balanced").expect("known").value.env;
        for (key, value) in [("PROFILE", "balanced"), ("STATE_DIR", "/var/lib/plimsoll/state"), ("OUT", "/var/lib/plimsoll/films")]
        {
            env.insert(format!("PLIMSOLL_{key}"), value.to_owned());
        }
        assert_eq!(read.env, env);
    }

    #[test]
    fn the_plan_is_the_smallest_that_has_the_budget() {
        let plans = [
            ("300MB", "starter"),
            ("512MB", "starter"),
            ("513MB", "standard"),
            ("4GB", "pro"),
            ("20GB", "pro ultra"),
            ("auto", "standard"),
        ];
        for (budget, name) in plans {
            assert_eq!(plan(&profile(budget, "")).expect("there is one").name, name, "{budget}");
        }
        let told = plan(&profile("33GB", "")).expect_err("too large");
        assert!(told.contains("33 GB") && told.contains("pro ultra") && told.contains("32 GB"), "{told}");
    }

    #[test]
    fn a_profile_says_nothing_against_the_folders_and_needs_a_disk_of_a_gigabyte_at_least() {
        let profile = profile("1GB", "scratch_limit: 100MB\nenv: { PLIMSOLL_OUT: /tmp, A: b }\n");
        let text = serde_yaml::to_string(&blueprint(&profile, &plan(&profile).expect("a plan"))).expect("YAML");
        assert!(text.contains("sizeGB: 1\n") && text.contains("key: A\n") && !text.contains("/tmp"), "{text}");
    }
}
