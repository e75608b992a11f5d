//! What the internal listener serves beside the contracts.

use futures::{StreamExt, stream};
use stoa_rpc::Directory;
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::{local, serve};

async fn connect(directory: &Directory) -> tonic::transport::Channel {
    let address = serve(directory).await;
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

#[tokio::test]
async fn health_knows_each_contract_by_name() {
    let mut client = HealthClient::new(connect(&local()).await);
    for (service, serving) in [
        ("", true),
        ("stoa.test.v1.Echo", true),
        ("stoa.test.v1.Nobody", false),
    ] {
        let answer = client
            .check(HealthCheckRequest {
                service: service.to_owned(),
            })
            .await;
        match answer {
            Ok(answer) => assert!(serving && answer.into_inner().status == 1, "{service}"),
            Err(status) => assert!(
                !serving && status.code() == Code::NotFound,
                "{service}: {status:?}"
            ),
        }
    }
}

async fn reflect(
    client: &mut ServerReflectionClient<tonic::transport::Channel>,
    ask: MessageRequest,
) -> MessageResponse {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(ask),
    };
    let mut answers = client
        .server_reflection_info(stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    answers.next().await.unwrap().unwrap().message_response.unwrap()
}

#[tokio::test]
async fn reflection_lists_and_describes_the_contracts() {
    let mut client = ServerReflectionClient::new(connect(&local()).await);
    let MessageResponse::ListServicesResponse(list) =
        reflect(&mut client, MessageRequest::ListServices(String::new())).await
    else {
        panic!("no list")
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for name in [
        "stoa.test.v1.Echo",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ] {
        assert!(
            names.iter().any(|known| known == name),
            "{name} is not in {names:?}"
        );
    }
    let symbol = MessageRequest::FileContainingSymbol("stoa.test.v1.Echo".to_owned());
    let MessageResponse::FileDescriptorResponse(files) = reflect(&mut client, symbol).await else {
        panic!("no description")
    };
    assert!(!files.file_descriptor_proto.is_empty());
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented_here_and_there() {
    let path = || http::uri::PathAndQuery::from_static("/stoa.test.v1.Nobody/Say");
    let codec = tonic_prost::ProstCodec::<crate::echo::Text, crate::echo::Text>::default;
    let request = || tonic::Request::new(crate::echo::Text::default());
    let mut here = tonic::client::Grpc::new(local().channel("echo"));
    let status = here.unary(request(), path(), codec()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let mut there = tonic::client::Grpc::new(connect(&local()).await);
    there.ready().await.unwrap();
    let status = there.unary(request(), path(), codec()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn an_empty_directory_serves_health() {
    let mut client = HealthClient::new(connect(&Directory::new()).await);
    assert_eq!(
        client
            .check(HealthCheckRequest::default())
            .await
            .unwrap()
            .into_inner()
            .status,
        1
    );
}
