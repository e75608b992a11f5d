//! A stand-in for auth, for tests of other services.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use stoa_kernel::{Grant, OrganizationId, OrganizationRole, UserId};
use stoa_rpc::{Directory, Server};
use tonic::{Request, Response, Status, service::Routes};
use uuid::Uuid;

use crate::v1::{
    self, AuthenticateKeyRequest, AuthenticateKeyResponse, Contact, ContactsRequest, ContactsResponse,
    GrantsRequest, GrantsResponse, ManagersRequest, ManagersResponse, MembershipRequest, MembershipResponse,
    PrepareMailRequest, PrepareMailResponse, RegisteredNames, RegistrationRequest, RegistrationResponse,
    StandingRequest, StandingResponse, TrustRequest, TrustResponse,
    access_server::{Access, AccessServer},
};

/// An auth that knows what it was told: `TestApp::builder().stand_in(FakeAuth::default(), FakeAuth::serve)`. Clones know the same. Access
/// tokens and API keys are the test kit's.
#[derive(Clone, Default)]
pub struct FakeAuth(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    grants: Vec<Grant>,
    names: HashMap<String, RegisteredNames>,
    /// By user and organization.
    members: HashMap<(String, String), OrganizationRole>,
    contacts: HashMap<String, Contact>,
    /// Whose accounts are disabled or gone.
    closed: HashSet<String>,
    /// No call of contacts is answered.
    contacts_away: bool,
    /// By the types of their notifications: where they go to, if to a reference.
    mails: HashMap<String, Option<String>>,
    links: Vec<String>,
}

impl FakeAuth {
    /// Answers calls to auth.
    pub fn serve(&self, directory: &Directory) {
        directory.set_local(
            "auth",
            Server {
                routes: Routes::new(AccessServer::new(self.clone())),
                descriptors: crate::DESCRIPTORS,
                names: Vec::new(),
            },
        );
    }

    /// `user` may do `action` to this one thing.
    pub fn grant(&self, user: UserId, action: &str, kind: &str, id: Uuid) {
        self.0.lock().grants.push(Grant {
            user_id: user,
            action: action.to_owned(),
            resource_kind: kind.to_owned(),
            resource_id: id,
        });
    }

    /// `user` has no grants any more.
    pub fn take_grants(&self, user: UserId) {
        self.0.lock().grants.retain(|grant| grant.user_id != user);
    }

    /// `user` is a member of this organization. Access tokens of the test kit say so only where a test writes it into their claims.
    pub fn member(&self, user: UserId, organization: OrganizationId, role: OrganizationRole) {
        let key = (user.to_string(), organization.to_string());
        self.0.lock().members.insert(key, role);
    }

    /// `user` is not a member of this organization any more.
    pub fn leave(&self, user: UserId, organization: OrganizationId) {
        let key = (user.to_string(), organization.to_string());
        self.0.lock().members.remove(&key);
    }

    /// `user` has registered with these names.
    pub fn register(&self, user: UserId, first: &str, last: &str) {
        let names = RegisteredNames {
            first_name: Some(first.to_owned()),
            last_name: Some(last.to_owned()),
        };
        self.0.lock().names.insert(user.to_string(), names);
    }

    /// `user` has an account with this address, and has verified it or not.
    pub fn contact(&self, user: UserId, email: &str, is_email_verified: bool) {
        let contact = Contact {
            user_id: user.to_string(),
            email: email.to_owned(),
            is_email_verified,
            is_disabled: false,
        };
        self.0.lock().contacts.insert(contact.user_id.clone(), contact);
    }

    /// `user` has no account any more.
    pub fn erase(&self, user: UserId) {
        let mut known = self.0.lock();
        known.contacts.remove(&user.to_string());
        known.closed.insert(user.to_string());
    }

    /// The account of `user` is disabled.
    pub fn disable(&self, user: UserId) {
        let mut known = self.0.lock();
        if let Some(contact) = known.contacts.get_mut(&user.to_string()) {
            contact.is_disabled = true;
        }
        known.closed.insert(user.to_string());
    }

    /// auth has asked for mails of this type. `address`: where they go to, if to a reference. Each has a `link` of its own.
    pub fn mail(&self, kind: &str, address: Option<&str>) {
        let address = address.map(str::to_owned);
        self.0.lock().mails.insert(kind.to_owned(), address);
    }

    /// Mails of this type are not needed any more.
    pub fn withdraw_mail(&self, kind: &str) {
        self.0.lock().mails.remove(kind);
    }

    /// The links that were given for mails, in their order.
    #[must_use]
    pub fn links(&self) -> Vec<String> {
        self.0.lock().links.clone()
    }

    /// From now on nobody's contact is told, or is again.
    pub fn contacts_away(&self, away: bool) {
        self.0.lock().contacts_away = away;
    }
}

#[tonic::async_trait]
impl Access for FakeAuth {
    async fn grants(&self, request: Request<GrantsRequest>) -> Result<Response<GrantsResponse>, Status> {
        let asked = request.into_inner();
        let known = self.0.lock();
        let fits = |grant: &&Grant| {
            grant.user_id.to_string() == asked.user_id
                && grant.resource_kind == asked.resource_kind
                && grant.resource_id.to_string() == asked.resource_id
        };
        let grants = known.grants.iter().filter(fits).map(|grant| v1::Grant {
            action: grant.action.clone(),
        });
        Ok(Response::new(GrantsResponse {
            grants: grants.collect(),
        }))
    }

    async fn authenticate_key(
        &self,
        _: Request<AuthenticateKeyRequest>,
    ) -> Result<Response<AuthenticateKeyResponse>, Status> {
        Err(Status::unimplemented("the test kit knows the keys"))
    }

    /// Of everybody but those who are disabled or erased.
    async fn standing(
        &self,
        request: Request<StandingRequest>,
    ) -> Result<Response<StandingResponse>, Status> {
        let asked = request.into_inner();
        let known = self.0.lock();
        let its = |organization: &String| {
            let role = known
                .members
                .get(&(asked.user_id.clone(), organization.clone()))?;
            Some(v1::Membership {
                organization_id: organization.clone(),
                role: role.name().to_owned(),
            })
        };
        let membership = asked.organization_id.as_ref().map(its);
        let is_open = !known.closed.contains(&asked.user_id) && membership != Some(None);
        let principal = is_open.then(|| v1::KeyPrincipal {
            user_id: asked.user_id,
            scopes: asked.scopes,
            memberships: membership.flatten().into_iter().collect(),
            organization_id: asked.organization_id,
            ..v1::KeyPrincipal::default()
        });
        Ok(Response::new(StandingResponse { principal }))
    }

    async fn membership(
        &self,
        request: Request<MembershipRequest>,
    ) -> Result<Response<MembershipResponse>, Status> {
        let asked = request.into_inner();
        let role = self
            .0
            .lock()
            .members
            .get(&(asked.user_id, asked.organization_id))
            .copied();
        Ok(Response::new(MembershipResponse {
            role: role.map(|role| role.name().to_owned()),
        }))
    }

    async fn registration(
        &self,
        request: Request<RegistrationRequest>,
    ) -> Result<Response<RegistrationResponse>, Status> {
        let names = self.0.lock().names.get(&request.into_inner().user_id).cloned();
        Ok(Response::new(RegistrationResponse { names }))
    }

    async fn managers(
        &self,
        request: Request<ManagersRequest>,
    ) -> Result<Response<ManagersResponse>, Status> {
        let known = self.0.lock();
        if known.contacts_away {
            return Err(Status::unavailable("away"));
        }
        let asked = request.into_inner().organization_id;
        let manages = |role: &OrganizationRole| *role >= OrganizationRole::Admin;
        let managers = known
            .members
            .iter()
            .filter(|((_, organization), role)| *organization == asked && manages(role));
        Ok(Response::new(ManagersResponse {
            user_ids: managers.map(|((user, _), _)| user.clone()).collect(),
        }))
    }

    async fn contacts(
        &self,
        request: Request<ContactsRequest>,
    ) -> Result<Response<ContactsResponse>, Status> {
        let known = self.0.lock();
        if known.contacts_away {
            return Err(Status::unavailable("away"));
        }
        let asked = request.into_inner().user_ids;
        let contacts = asked.iter().filter_map(|user| known.contacts.get(user).cloned());
        Ok(Response::new(ContactsResponse {
            contacts: contacts.collect(),
        }))
    }

    async fn prepare_mail(
        &self,
        request: Request<PrepareMailRequest>,
    ) -> Result<Response<PrepareMailResponse>, Status> {
        let mut known = self.0.lock();
        let Some(address) = known.mails.get(&request.into_inner().r#type).cloned() else {
            return Ok(Response::new(PrepareMailResponse {
                not_needed: Some("it was withdrawn".to_owned()),
                ..PrepareMailResponse::default()
            }));
        };
        let link = format!("https://stoa.example/link?token=secret-{}", known.links.len() + 1);
        known.links.push(link.clone());
        Ok(Response::new(PrepareMailResponse {
            not_needed: None,
            address,
            details: serde_json::json!({ "link": link }).to_string(),
        }))
    }

    async fn trust(&self, _: Request<TrustRequest>) -> Result<Response<TrustResponse>, Status> {
        Err(Status::unimplemented("the test kit has the signing keys"))
    }
}
