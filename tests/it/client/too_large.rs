//! A request that is more than the registry takes.

use futures::future::join;
use service_registry::client::Registration;

use super::asynchronous::on_two_executors;
use crate::support::Place;

#[test]
fn what_is_too_large_is_refused_and_disturbs_no_other_request() {
    on_two_executors(|| async {
        let (place, _registry) = Place::start();
        let client = place.async_client();
        client.health_check().await.unwrap();
        // Larger than a message may be, and not so large that its connection ends.
        let large = Registration::new("Camera", "localhost", 6_110)
            .metadata("filler", "x".repeat(150 << 10));

        let (refused, healthy) = join(client.register(&large), client.health_check()).await;

        let error = refused.unwrap_err();
        let code = error.refusal().map(|refusal| refusal.code.as_str());
        assert_eq!(code, Some("limit_exceeded"), "{error}");
        assert_eq!(healthy.unwrap().status, "ok");
    });
}
