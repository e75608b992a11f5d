//! gRPC through the gateway: HTTP/2 from end to end, trailers and streams included.

use std::time::Duration;

use tokio::{net::TcpListener, time::timeout};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_check_response::ServingStatus as Told, health_client::HealthClient},
};

use crate::split::gateway_to;

async fn through(settings: &str) -> (HealthClient<Channel>, tonic_health::server::HealthReporter) {
    let (reporter, service) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Server::builder().add_service(service);
    tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
    let settings = format!("grpc_upstreams = [\"grpc.health.v1.Health http://{address}\"]\n{settings}");
    let gateway = gateway_to(&settings, &["http://127.0.0.1:9".to_owned()]).await;
    let channel = Channel::from_shared(gateway.url())
        .unwrap()
        .connect()
        .await
        .unwrap();
    std::mem::forget(gateway);
    (HealthClient::new(channel), reporter)
}

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

#[tokio::test]
async fn a_call_and_its_error_come_through() {
    let (mut client, reporter) = through("").await;
    reporter.set_service_status("shop", ServingStatus::Serving).await;
    let answer = client.check(about("shop")).await.unwrap().into_inner();
    assert_eq!(answer.status(), Told::Serving);
    let status = client.check(about("nobody")).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::NotFound, "{status:?}");
}

#[tokio::test]
async fn a_stream_comes_through_as_it_is_made() {
    let (mut client, reporter) = through("timeout = \"500ms\"").await;
    reporter.set_service_status("shop", ServingStatus::Serving).await;
    let mut stream = client.watch(about("shop")).await.unwrap().into_inner();
    let mut next = async || {
        timeout(Duration::from_secs(5), stream.message())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    };
    assert_eq!(next().await.status(), Told::Serving);
    tokio::time::sleep(Duration::from_millis(700)).await;
    reporter
        .set_service_status("shop", ServingStatus::NotServing)
        .await;
    assert_eq!(
        next().await.status(),
        Told::NotServing,
        "also after the time limit, which is for the head"
    );
}

#[tokio::test]
async fn other_services_are_not_reached() {
    let gateway = gateway_to("", &["http://127.0.0.1:9".to_owned()]).await;
    let channel = Channel::from_shared(gateway.url())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let status = HealthClient::new(channel).check(about("")).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unimplemented, "{status:?}");
}
