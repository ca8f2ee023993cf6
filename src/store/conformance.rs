//! What every store must do, as code. Each implementation runs all of it.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

use super::chain::Auditor;
use super::{
    Actor, Bucket, DeliveryState, EventFilter, LeaseOutcome, Measurement, NewDelivery, NewEvent, Sample,
    SampleFilter, Store,
};
use crate::base::clock::parse_instant;
use crate::base::{Digest, Error, ErrorCode, Unit};

/// Runs all of it; `open` opens the (new or existing) store of that name.
pub fn run(open: &mut dyn FnMut(&str) -> Box<dyn Store>) {
    appends_in_order_and_keeps_the_chain(open);
    rolls_back_whole_transactions(open);
    filters_events(open);
    reserves_identifiers_once(open);
    keeps_what_was_known_when(open);
    stores_the_same_sample_once(open);
    queues_each_key_once(open);
    leases_to_one_holder(open);
    survives_reopening(open);
}

fn at(minute: i64) -> DateTime<Utc> {
    parse_instant("2026-11-20T03:00:00Z").unwrap() + TimeDelta::minutes(minute)
}

fn event(kind: &str, minute: i64) -> NewEvent {
    NewEvent {
        kind: kind.to_owned(),
        occurred_at: at(minute),
        recorded_at: at(minute),
        actor: Actor::Human("on-call".into()),
        service: Some("rila_6y20b".into()),
        incident: Some("INC-20261120-030700".into()),
        operation: None,
        payload: serde_json::json!({"minute": minute}),
    }
}

fn sample(value: f64, minute: i64, recorded: i64, input: &str) -> Sample {
    Sample {
        service: "rila_6y20b".into(),
        probe: "accuracy".into(),
        metric: "mape_weekly".into(),
        labels: BTreeMap::new(),
        measurement: Measurement::judged(value, Unit::Ratio),
        unit: Unit::Ratio,
        event_time: at(minute),
        recorded_at: at(recorded),
        bucket: Some(Bucket { start: at(minute - 10), end: at(minute) }),
        version: Some(Digest::of(b"v1")),
        input: Some(Digest::of(input.as_bytes())),
        rows: 7,
    }
}

fn appends_in_order_and_keeps_the_chain(open: &mut dyn FnMut(&str) -> Box<dyn Store>) {
    let store = open("append");
    for minute in 0..5 {
        let stored = store.with(|session| session.append(event("incident.noted", minute))).unwrap();
        assert_eq!(stored.sequence, minute.unsigned_abs() + 1);
        assert_eq!(stored.payload["minute"], minute);
    }
    let events = store.view(|session| session.events(&EventFilter::default())).unwrap();
    assert!(events.windows(2).all(|pair| pair[1].previous.as_ref() == Some(&pair[0].hash)));
    let mut auditor = Auditor::default();
    let sealed = store.view(|session| session.sealed(0, 100)).unwrap();
    sealed.iter().for_each(|event| auditor.take(event));
    let audit = auditor.finish();
    assert_eq!((audit.events, audit.faults.len()), (5, 0), "{:?}", audit.faults);
    let heads = store.view(|session| session.chain_heads()).unwrap();
    assert_eq!(heads.len(), 1);
    assert_eq!(heads[0].hash, events[4].hash);
}

fn rolls_back_whole_transactions(open: &mut dyn FnMut(&str) -> Box<dyn Store>) {
    let store = open("rollback");
    let outcome = store.with(|session| {
        session.append(event("incident.noted", 0))?;
        session.put_samples(&[sample(0.1, 0, 0, "a")])?;
        Err::<(), _>(Error::new(ErrorCode::Bug, "stop"))
    });
    assert!(outcome.is_err());
    assert!(store.view(|session| session.events(&EventFilter::default())).unwrap().is_empty());
    assert!(store.view(|session| session.samples(&SampleFilter::default())).unwrap().is_empty());
}

fn filters_events(open: &mut dyn FnMut(&str) -> Box<dyn Store>) {
    let store = open("filter");
    store
        .with(|session| {
            session.append(event("incident.opened", 0))?;
            session.append(event("operation.step", 1))?;
            session.append(NewEvent {
                incident: None,
                service: Some("other".into()),
                ..event("incident.x", 2)
            })
        })
        .unwrap();
    let count = |filter: EventFilter| store.view(|session| session.events(&filter)).unwrap().len();
    assert_eq!(count(EventFilter::default()), 3);
    assert_eq!(count(EventFilter { kind_prefix: Some("incident.".into()), ..Default::default() }), 2);
    assert_eq!(count(EventFilter { service: Some("other".into()), ..Default::default() }), 1);
    assert_eq!(count(EventFilter { incident: Some("INC-20261120-030700".into()), ..Default::default() }), 2);
    assert_eq!(count(EventFilter { after: Some(1), until: Some(at(1)), ..Default::default() }), 1);
}

fn reserves_identifiers_once(open: &mut dyn FnMut(&str) -> Box<dyn Store>) {
    let store = open("reserve");
    let next = || store.with(|session| session.reserve_identifier("INC-20261120-030700")).unwrap();
    assert_eq!(next(), "INC-20261120-030700");
    assert_eq!(next(), "INC-20261120-030700-2");
    assert_eq!(next(), "INC-20261120-030700-3");
    // Thousands of services may fail in one second, each in a transaction of its own or many in one.
    let all: Vec<String> = store
        .with(|session| (4..200).map(|_| session.reserve_identifier("INC-20261120-030700")).collect())
        .unwrap();
    let expected: Vec<_> = (4..200).map(|number| format!("INC-20261120-030700-{number}")).collect();
    assert_eq!(all, expected);
}

fn keeps_what_was_known_when(open: &mut dyn FnMut(&str) -> Box<dyn Store>) {
    let store = open("bitemporal");
    store.with(|session| session.put_samples(&[sample(0.31, 0, 10, "a")])).unwrap();
    store.with(|session| session.put_samples(&[sample(0.12, 0, 20, "b")])).unwrap();
    let value = |as_of: Option<DateTime<Utc>>| {
        let filter = SampleFilter { as_of, ..Default::default() };
        let samples = store.view(|session| session.samples(&filter)).unwrap();
        samples.iter().map(|sample| sample.measurement.value().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(value(None), [0.12], "the correction counts");
    assert_eq!(value(Some(at(15))), [0.31], "before it was known, the first value did");
    assert!(value(Some(at(5))).is_empty());
    store.with(|session| session.put_samples(&[sample(0.31, 0, 30, "a")])).unwrap();
    assert_eq!(value(None), [0.31], "corrected back");
}

fn stores_the_same_sample_once(open: &mut dyn FnMut(&str) -> Box<dyn Store>) {
    let store = open("samples");
    let put =
        |sample: Sample| store.with(|session| session.put_samples(std::slice::from_ref(&sample))).unwrap();
    assert_eq!(put(sample(0.2, 0, 0, "a")), 1);
    assert_eq!(put(sample(0.2, 0, 5, "a")), 0, "the same evidence, seen again");
    assert_eq!(put(sample(0.2, 10, 15, "a")), 1, "another event time");
    let undecided =
        Sample { measurement: Measurement::judged(31.0, Unit::Ratio), ..sample(0.0, 20, 20, "c") };
    assert_eq!(put(undecided), 1);
    let samples =
        store.view(|session| session.samples(&SampleFilter { since: Some(at(20)), ..Default::default() }));
    assert!(matches!(samples.unwrap()[0].measurement, Measurement::Undecided(_)));
}

fn queues_each_key_once(open: &mut dyn FnMut(&str) -> Box<dyn Store>) {
    let store = open("outbox");
    let new = |key: &str| NewDelivery {
        notice: "N-1".into(),
        channel: "pager".into(),
        incident: None,
        deduplication_key: key.into(),
        payload: serde_json::json!({"text": "x"}),
        not_before: at(0),
    };
    let first = store.with(|session| session.enqueue(new("a"), at(0))).unwrap();
    let again = store.with(|session| session.enqueue(new("a"), at(1))).unwrap();
    assert_eq!(first, again);
    store.with(|session| session.enqueue(new("b"), at(1))).unwrap();
    let due = |minute| store.view(|session| session.deliveries(Some(at(minute)))).unwrap().len();
    assert_eq!((due(-1), due(0)), (0, 2));
    let mut changed = first;
    changed.state = DeliveryState::Delivered;
    store.with(|session| session.update_delivery(&changed)).unwrap();
    let stored = store.view(|session| session.delivery(changed.number)).unwrap();
    assert_eq!(stored.as_ref(), Some(&changed));
    assert_eq!(store.view(|session| session.delivery(changed.number + 1000)).unwrap(), None);
    assert_eq!(due(0), 1);
    let among = |states: &[DeliveryState]| {
        let rows = store.view(|session| session.deliveries_in(states)).unwrap();
        rows.into_iter().map(|row| row.deduplication_key).collect::<Vec<_>>()
    };
    assert_eq!(among(&[DeliveryState::Delivered]), ["a"]);
    assert_eq!(among(&[DeliveryState::Queued, DeliveryState::Delivered]), ["a", "b"]);
    assert!(among(&[DeliveryState::Sending, DeliveryState::Failed]).is_empty());
    assert_eq!(store.view(|session| session.deliveries(None)).unwrap().len(), 2);
}

fn leases_to_one_holder(open: &mut dyn FnMut(&str) -> Box<dyn Store>) {
    let store = open("lease");
    let ask = |holder: &str, now, until| {
        store.with(|session| session.acquire_lease("check", holder, at(now), at(until))).unwrap()
    };
    let LeaseOutcome::Acquired(first) = ask("a", 0, 10) else { panic!("it was free") };
    assert!(matches!(ask("b", 5, 15), LeaseOutcome::Held(lease) if lease.holder == "a"));
    assert!(matches!(ask("a", 5, 12), LeaseOutcome::Acquired(lease) if lease.fence == first.fence));
    assert!(matches!(ask("b", 12, 20), LeaseOutcome::Acquired(lease) if lease.fence == first.fence + 1));
    store.with(|session| session.release_lease("check", "a")).unwrap();
    assert!(matches!(ask("a", 13, 20), LeaseOutcome::Held(_)), "only the holder gives it back");
    store.with(|session| session.release_lease("check", "b")).unwrap();
    assert!(matches!(ask("a", 13, 20), LeaseOutcome::Acquired(_)));
}

fn survives_reopening(open: &mut dyn FnMut(&str) -> Box<dyn Store>) {
    let store = open("reopen");
    store.with(|session| session.append(event("incident.noted", 0))).unwrap();
    store.with(|session| session.set_value("round", "7")).unwrap();
    drop(store);
    let store = open("reopen");
    assert_eq!(store.view(|session| session.value("round")).unwrap().as_deref(), Some("7"));
    let next = store.with(|session| session.append(event("incident.noted", 1))).unwrap();
    assert_eq!((next.sequence, next.writer_sequence), (2, 2));
}
