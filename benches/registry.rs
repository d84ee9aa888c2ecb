//! How long the core takes for what it does most, and how that grows with the services.
//!
//! ```sh
//! cargo bench --bench registry
//! ```

use std::cell::RefCell;
use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use service_registry::registry::{Change, Plan, Registry};
use uuid::Uuid;

mod samples;

use samples::{MUCH_LATER, NOW, SIZES, id, registration, registry, service_type};

/// As many leases as the server looks at in one turn.
const EXPIRED_AT_ONCE: usize = 4_096;

fn main() {
    divan::main();
}

/// The number of a service, each time of another one.
fn any(services: u32) -> impl FnMut() -> u32 {
    let mut random = fastrand::Rng::with_seed(7);
    move || random.u32(..services)
}

/// Decides on a service that is new.
#[divan::bench(args = SIZES)]
fn plan_new(bencher: Bencher<'_, '_>, services: u32) {
    let registry = registry(services);

    bencher.with_inputs(|| (Plan::new(&registry, NOW), registration(services))).bench_local_values(
        |(mut plan, registration)| plan.register(&registry, registration, Uuid::nil()),
    );
}

/// Decides on a service that registers again.
#[divan::bench(args = SIZES)]
fn plan_again(bencher: Bencher<'_, '_>, services: u32) {
    let registry = registry(services);
    let mut any = any(services);

    bencher.with_inputs(|| (Plan::new(&registry, NOW), registration(any()))).bench_local_values(
        |(mut plan, registration)| plan.register(&registry, registration, Uuid::nil()),
    );
}

/// Makes a registration true that was decided on, of a service that registers again.
#[divan::bench(args = SIZES)]
fn apply(bencher: Bencher<'_, '_>, services: u32) {
    let registry = RefCell::new(registry(services));
    let mut any = any(services);

    bencher
        .with_inputs(|| planned(&registry.borrow(), any()))
        .bench_local_values(|change| registry.borrow_mut().apply(change, NOW));
}

/// Finds a service by a type that no other has.
#[divan::bench(args = SIZES)]
fn discover(bencher: Bencher<'_, '_>, services: u32) {
    let registry = registry(services);
    let mut any = any(services);

    bencher
        .with_inputs(|| service_type(any()))
        .bench_local_refs(|name| black_box(registry.discover(name, 0, NOW)).is_some());
}

/// Finds a service by its id.
#[divan::bench(args = SIZES)]
fn get(bencher: Bencher<'_, '_>, services: u32) {
    let registry = registry(services);
    let mut any = any(services);

    bencher.with_inputs(|| id(any())).bench_local_refs(|id| black_box(registry.get(id)).is_some());
}

/// Renews a lease.
#[divan::bench(args = SIZES)]
fn renew(bencher: Bencher<'_, '_>, services: u32) {
    let registry = registry(services);
    let mut any = any(services);

    bencher.with_inputs(|| id(any())).bench_local_refs(|id| registry.renew(id, NOW));
}

/// Looks for expired services where there is none: what a cleanup costs that has nothing to do.
#[divan::bench(args = SIZES)]
fn expire_nothing(bencher: Bencher<'_, '_>, services: u32) {
    let registry = registry(services);

    bencher
        .with_inputs(|| Plan::new(&registry, NOW))
        .bench_local_values(|mut plan| plan.expire(&registry, EXPIRED_AT_ONCE));
}

/// Decides on the expiry of one turn's services, and takes it back so that it can be done again.
#[divan::bench(args = SIZES)]
fn expire(bencher: Bencher<'_, '_>, services: u32) {
    let registry = registry(services);
    let at_once = EXPIRED_AT_ONCE.min(services as usize);

    bencher
        .counter(ItemsCount::new(at_once))
        .with_inputs(|| Plan::new(&registry, MUCH_LATER))
        .bench_local_values(|mut plan| {
            let (changes, _) = plan.expire(&registry, EXPIRED_AT_ONCE);
            assert_eq!(changes.len(), at_once, "all of them are over");
            plan.abandon(&registry);
            changes
        });
}

/// The change by which a service is registered again.
fn planned(registry: &Registry, number: u32) -> Change {
    let mut plan = Plan::new(registry, NOW);
    let mut changes = plan.register(registry, registration(number), Uuid::nil()).changes;
    changes.remove(0)
}
