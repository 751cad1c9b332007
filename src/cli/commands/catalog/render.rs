//! A profile as a blueprint for Render: one background worker with a disk, in an image of the repository's Dockerfile.

use serde::Serialize;

use crate::domain::profile::Profile;
use crate::domain::units::{Bytes, GIB, MIB};

/// Where the image keeps queue and outputs; the disk is put there, so that both outlive a deploy.
const DISK: &str = "/var/lib/plimsoll";
/// Running jobs are stopped and noted within this many seconds, of which the service itself takes up to 30.
const SHUTDOWN: u32 = 60;

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
    services: [Service; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    runtime: &'static str,
    plan: &'static str,
    dockerfile_path: &'static str,
    max_shutdown_delay_seconds: u32,
    env_vars: Vec<Variable>,
    disk: Disk,
}

#[derive(Debug, Serialize)]
struct Variable {
    key: String,
    value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Disk {
    name: &'static str,
    mount_path: &'static str,
    #[serde(rename = "sizeGB")]
    size: u64,
}

/// The whole file.
pub(super) fn blueprint(profile: &Profile, plan: &Plan) -> Blueprint {
    // A file's name means nothing on another machine, but its profile's name does once the file is there.
    let own = [
        ("PLIMSOLL_PROFILE", profile.name.clone()),
        ("PLIMSOLL_STATE_DIR", format!("{DISK}/state")),
        ("PLIMSOLL_OUT", format!("{DISK}/films")),
    ];
    let is_own = |name: &str| own.iter().any(|(known, _)| *known == name);
    let given = profile.env.iter().filter(|(name, _)| !is_own(name)).map(|(name, value)| (name.clone(), value.clone()));
    let given: Vec<(String, String)> = given.collect();
    let variables = own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(given);
    // Render sells whole gigabytes, and one at least.
    let size = profile.scratch_limit.map_or(1, |limit| limit.0.div_ceil(GIB).max(1));
    Blueprint {
        services: [Service {
            kind: "worker",
            name: "plimsoll",
            runtime: "docker",
            plan: plan.name,
            dockerfile_path: "./Dockerfile",
            max_shutdown_delay_seconds: SHUTDOWN,
            env_vars: variables.map(|(key, value)| Variable { key, value }).collect(),
            disk: Disk { name: "plimsoll", mount_path: DISK, size },
        }],
    }
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
        let text = profiles_export_render(&SearchPaths::default(), "balanced").expect("known");
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
    fn the_folders_of_the_blueprint_are_those_of_the_image_and_lie_on_the_disk() {
        let image = include_str!("../../../../Dockerfile");
        let text = profiles_export_render(&SearchPaths::default(), "safe").expect("known");
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
        let text = profiles_export_render(&SearchPaths::default(), "balanced").expect("known");
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
