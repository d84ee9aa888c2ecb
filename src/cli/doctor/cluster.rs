//! Whether a registry that shares its list hears the others, and how the members of etcd are.

use std::path::{Path, PathBuf};

use serde_json::Value;
use service_registry::backend::EtcdSettings;
use service_registry::backend::etcd::{self, Leadership, Member, MemberState};

use super::finding::Finding;
use super::workplace::Workplace;
use crate::cli::failure::chain;

const CONTACT: &str = "cluster contact";
const REGISTRIES: &str = "other registries";
const MEMBERS: &str = "etcd members";
const ACCESS: &str = "etcd access";
const LEADER: &str = "etcd leader";
const ALARMS: &str = "etcd alarms";

/// How many revisions a member may be behind another one: some minutes of beats.
const BEHIND_MAX: u64 = 1_000;

/// What a registry says of its cluster in `info`; nothing, where it has none.
pub(super) fn check_contact(info: &Value) -> Vec<Finding> {
    let cluster = &info["cluster"];
    if cluster.is_null() { Vec::new() } else { vec![judge_contact(cluster), others(cluster)] }
}

/// The members that `settings` name, of the registry that works at `workplace`.
pub(super) fn check_members(settings: &EtcdSettings, workplace: &Workplace) -> Vec<Finding> {
    let Some(settings) = rooted(settings, |path| workplace.path(path)) else {
        let found = "where the registry looks for the files of `etcd` is not known";
        return vec![Finding::unknown(MEMBERS, found)];
    };
    match etcd::examine(&settings) {
        Ok(members) => judge_members(&members),
        Err(error) => vec![Finding::unknown(MEMBERS, &chain(&error))],
    }
}

/// The settings with the files that they name `placed` where the registry finds them.
fn rooted(
    settings: &EtcdSettings,
    placed: impl Fn(&Path) -> Option<PathBuf>,
) -> Option<EtcdSettings> {
    let mut settings = settings.clone();
    let password = settings.user.iter_mut().map(|(_, file)| file);
    let identity = settings.identity.iter_mut().flat_map(|(certificate, key)| [certificate, key]);
    for file in password.chain(identity).chain(settings.ca_file.iter_mut()) {
        *file = placed(file)?;
    }
    Some(settings)
}

fn judge_contact(cluster: &Value) -> Finding {
    let name = cluster["name"].as_str().unwrap_or_default();
    let lag = cluster["heard_seconds_ago"].as_f64().unwrap_or_default();
    let entry = cluster["entry"].as_u64().unwrap_or_default();
    if cluster["in_contact"] == true {
        let found = format!("{name} heard itself {lag:.1} s ago, and knows transaction {entry}");
        return Finding::ok(CONTACT, &found);
    }
    let reason = cluster["reason"].as_str().unwrap_or("it does not hear itself");
    let found = format!("{name} is out of contact and stores nothing: {reason}");
    let remedy = "start etcd on a majority of its hosts, and mend the way to them; it goes on by \
        itself";
    Finding::problem(CONTACT, &found, remedy)
}

fn others(cluster: &Value) -> Finding {
    let name = cluster["name"].as_str().unwrap_or_default();
    let registries = cluster["registries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let others = registries.iter().filter_map(Value::as_str).filter(|other| *other != name);
    let others = others.collect::<Vec<_>>().join(", ");
    if others.is_empty() {
        let remedy = "start those of the other hosts; they need the same prefix of the same etcd, \
            and names of their own";
        return Finding::warning(REGISTRIES, "none but this one", remedy);
    }
    Finding::ok(REGISTRIES, &others)
}

fn judge_members(members: &[Member]) -> Vec<Finding> {
    let states: Vec<(&str, &MemberState)> = members
        .iter()
        .filter_map(|member| Some((member.endpoint.as_str(), member.state.as_ref().ok()?)))
        .collect();
    let mut findings = vec![reached(members, states.len())];
    if states.is_empty() {
        return findings;
    }
    findings.push(leader(&states));
    findings.push(access(&states));
    findings.extend(alarms(&states));
    findings
}

/// Which members answer, and how far each has come.
fn reached(members: &[Member], count: usize) -> Finding {
    let all = members.len();
    let troubles: Vec<String> = members
        .iter()
        .filter_map(|member| Some(member.state.as_ref().err()?.to_string()))
        .collect();
    let states = || members.iter().filter_map(|member| Some((member, member.state.as_ref().ok()?)));
    // Each trouble tells by itself where to look.
    let remedy = "start etcd there, or correct `etcd: endpoints` in registry.yaml";
    if count == 0 {
        return Finding::problem(MEMBERS, &troubles.join("; "), remedy);
    }
    if !troubles.is_empty() {
        let found = format!("{count} of {all} answer: {}", troubles.join("; "));
        return Finding::warning(MEMBERS, &found, remedy);
    }
    let newest = states().map(|(_, state)| state.revision).max().unwrap_or_default();
    let late = states().find(|(_, state)| newest - state.revision > BEHIND_MAX);
    if let Some((member, state)) = late {
        let behind = newest - state.revision;
        let found = format!("{} is {behind} revisions behind the others", member.endpoint);
        return Finding::warning(MEMBERS, &found, "look at its disk, its network and its log");
    }
    let told = states().map(|(member, state)| {
        format!("{} ({}, revision {})", member.endpoint, state.version, state.revision)
    });
    Finding::ok(MEMBERS, &format!("all {all} answer: {}", told.collect::<Vec<_>>().join(", ")))
}

fn leader(states: &[(&str, &MemberState)]) -> Finding {
    if let Some((endpoint, _)) =
        states.iter().find(|(_, state)| state.leadership == Leadership::Leads)
    {
        return Finding::ok(LEADER, &format!("{endpoint} leads"));
    }
    if states.iter().any(|(_, state)| state.leadership == Leadership::Follows) {
        return Finding::ok(LEADER, "a member that is not among the endpoints leads");
    }
    let remedy = "start etcd on a majority of its hosts; nothing is stored before";
    Finding::problem(LEADER, "there is none: the members that answer have no majority", remedy)
}

/// Whether the members do what a registry asks of them.
fn access(states: &[(&str, &MemberState)]) -> Finding {
    let refusals = states.iter().filter_map(|(_, state)| state.refusal.as_ref());
    let refusals: Vec<_> = refusals.collect();
    match refusals.first() {
        None => Finding::ok(ACCESS, "a registry's questions are answered"),
        Some(trouble) if trouble.is_refusal => Finding::problem(
            ACCESS,
            &trouble.to_string(),
            "correct `user` and `password_file`, or give the user the right to read and write \
             what is under `prefix`",
        ),
        Some(trouble) => {
            let found = format!(
                "{} of {} do not answer a registry's questions: {trouble}",
                refusals.len(),
                states.len()
            );
            let remedy = "a majority of the members must run and reach each other: see the log of \
                etcd (`journalctl -u etcd`)";
            Finding::problem(ACCESS, &found, remedy)
        }
    }
}

/// Nothing, where nobody complains.
fn alarms(states: &[(&str, &MemberState)]) -> Option<Finding> {
    let alarms = states.iter().flat_map(|(endpoint, state)| {
        state.alarms.iter().map(move |alarm| format!("{endpoint}: {alarm}"))
    });
    let alarms = alarms.collect::<Vec<_>>().join("; ");
    // One without a leader says so here, too.
    let has_leader = states.iter().any(|(_, state)| state.leadership != Leadership::Unknown);
    (!alarms.is_empty() && has_leader).then(|| {
        let remedy = "see `etcdctl alarm list`; where there is no space, compact and defragment \
            it, `etcdctl alarm disarm`, and set up compaction";
        Finding::problem(ALARMS, &alarms, remedy)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use service_registry::backend::etcd::MemberTrouble;

    use super::super::finding::Verdict;
    use super::*;

    fn state(leadership: Leadership, revision: u64) -> MemberState {
        MemberState {
            version: "3.4.23".to_owned(),
            revision,
            leadership,
            alarms: Vec::new(),
            refusal: None,
        }
    }

    fn trouble(is_refusal: bool, reason: &str) -> MemberTrouble {
        MemberTrouble { is_refusal, reason: reason.to_owned() }
    }

    fn judge(states: Vec<Result<MemberState, MemberTrouble>>) -> Vec<(&'static str, Verdict)> {
        let member = |(number, state)| Member { endpoint: format!("http://m{number}"), state };
        let members: Vec<Member> = states.into_iter().enumerate().map(member).collect();
        judge_members(&members).iter().map(|it| (it.check, it.verdict)).collect()
    }

    #[test]
    fn members_that_are_well_are_no_problem() {
        let (leads, follows) = (state(Leadership::Leads, 9), state(Leadership::Follows, 8));

        let well = [(MEMBERS, Verdict::Ok), (LEADER, Verdict::Ok), (ACCESS, Verdict::Ok)];
        assert_eq!(judge(vec![Ok(follows.clone()), Ok(leads)]), well);
        assert_eq!(judge(vec![Ok(follows)]), well);
    }

    #[test]
    fn each_trouble_has_its_finding() {
        let leads = || state(Leadership::Leads, 2_000);
        let silent = || Err(trouble(false, "http://m0 cannot be reached"));
        let (members, leader, access) = (MEMBERS, LEADER, ACCESS);
        let (ok, warning, problem) = (Verdict::Ok, Verdict::Warning, Verdict::Problem);

        assert_eq!(judge(vec![silent(), silent()]), [(members, problem)]);
        assert_eq!(
            judge(vec![silent(), Ok(leads())]),
            [(members, warning), (leader, ok), (access, ok)]
        );
        let late = state(Leadership::Follows, 7);
        assert_eq!(judge(vec![Ok(leads()), Ok(late)])[0], (members, warning));
        let alone = MemberState {
            refusal: Some(trouble(false, "http://m1 does not answer")),
            alarms: vec!["etcdserver: no leader".to_owned()],
            ..state(Leadership::Unknown, 5)
        };
        assert_eq!(
            judge(vec![silent(), Ok(alone)]),
            [(members, warning), (leader, problem), (access, problem)]
        );
        let refused = trouble(true, "http://m0 says: permission denied");
        let refusing = MemberState { refusal: Some(refused), ..leads() };
        assert_eq!(judge(vec![Ok(refusing)])[2], (access, problem));
        let full = MemberState { alarms: vec!["NOSPACE".to_owned()], ..leads() };
        assert_eq!(judge(vec![Ok(full)])[3], (ALARMS, problem));
    }

    #[test]
    fn the_contact_of_a_registry_is_as_it_says() {
        let cluster = |in_contact, reason: Value, registries: Value| {
            let info = json!({"cluster": {
                "name": "a", "in_contact": in_contact, "heard_seconds_ago": 0.25, "entry": 7,
                "reason": reason, "registries": registries,
            }});
            check_contact(&info)
        };

        let well = cluster(true, Value::Null, json!(["a", "b", "c"]));
        assert_eq!(well[0].found, "a heard itself 0.2 s ago, and knows transaction 7");
        assert_eq!((well[1].verdict, well[1].found.as_str()), (Verdict::Ok, "b, c"));
        let lost = cluster(false, json!("etcd is silent"), json!(["a"]));
        assert_eq!((lost[0].verdict, lost[1].verdict), (Verdict::Problem, Verdict::Warning));
        assert!(lost[0].found.ends_with("stores nothing: etcd is silent"), "{}", lost[0].found);
        assert!(check_contact(&json!({"services": []})).is_empty());
    }

    #[test]
    fn files_are_looked_for_where_the_registry_runs() {
        let settings = EtcdSettings {
            user: Some(("u".to_owned(), "password".into())),
            ca_file: Some("/etc/ca.pem".into()),
            ..EtcdSettings::default()
        };

        let in_folder = |path: &Path| Some(Path::new("/var/lib/x").join(path));
        let placed = rooted(&settings, in_folder).unwrap();

        assert_eq!(placed.user.unwrap().1, Path::new("/var/lib/x/password"));
        assert_eq!(placed.ca_file.unwrap(), Path::new("/etc/ca.pem"));
        assert_eq!(rooted(&settings, |_| None), None);
    }
}
