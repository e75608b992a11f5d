//! What other services ask of auth.

use stoa_auth_api::{
    CONTACTS_MAX, DESCRIPTORS,
    v1::{
        AuthenticateKeyRequest, AuthenticateKeyResponse, Contact, ContactsRequest, ContactsResponse, Grant,
        GrantsRequest, GrantsResponse, KeyPrincipal, ManagersRequest, ManagersResponse, Membership,
        MembershipRequest, MembershipResponse, PrepareMailRequest, PrepareMailResponse, PublicKey,
        RaisedOrganization, RaisedRole, RaisedVersion, RegisteredNames, RegistrationRequest,
        RegistrationResponse, RevokedSession, StandingRequest, StandingResponse, TrustRequest, TrustResponse,
        access_server::{Access, AccessServer},
    },
};
use stoa_db::reads;
use stoa_kernel::{OrganizationId, OrganizationRole, Permissions, UserId};
use tonic::{Request, Response, Status, service::Routes};
use uuid::Uuid;

use crate::{
    ctx::Ctx,
    error::Error,
    ops::{
        api_keys::{self, KeyHolder},
        mails::{self, Prepared},
        trust,
    },
    store::{accounts, grants, members, organizations, registered_names, revocations::Since},
};

/// The gRPC side of the service.
pub(crate) fn server(ctx: &Ctx) -> Option<stoa_rpc::Server> {
    Some(stoa_rpc::Server {
        routes: Routes::new(AccessServer::new(Rpc(ctx.clone()))),
        descriptors: DESCRIPTORS,
        names: vec!["stoa.auth.v1.Access"],
    })
}

struct Rpc(Ctx);

/// Managers that one call names, at most.
const MANAGERS_MAX: u32 = 50;

/// The owners of an organization, and then its admins; nobody where it is deleted.
async fn managers(ctx: &Ctx, id: OrganizationId) -> Result<Vec<UserId>, stoa_db::Error> {
    let organization = organizations::find(&ctx.db, id).await?;
    if organization.is_none_or(|organization| organization.purge_at.is_some()) {
        return Ok(Vec::new());
    }
    let mut users = members::with_role(&ctx.db, id, OrganizationRole::Owner, MANAGERS_MAX).await?;
    let room = MANAGERS_MAX.saturating_sub(u32::try_from(users.len()).unwrap_or(MANAGERS_MAX));
    users.extend(members::with_role(&ctx.db, id, OrganizationRole::Admin, room).await?);
    Ok(users)
}

#[tonic::async_trait]
impl Access for Rpc {
    async fn grants(&self, request: Request<GrantsRequest>) -> Result<Response<GrantsResponse>, Status> {
        let request = request.into_inner();
        let user: UserId = request.user_id.parse().map_err(|_| not_an_id("user_id"))?;
        let resource: Uuid = request
            .resource_id
            .parse()
            .map_err(|_| not_an_id("resource_id"))?;
        let rows = grants::on(&self.0.db, user, &request.resource_kind, resource).await;
        let grants = rows.map_err(|e| failed(&e.into()))?.into_iter();
        Ok(Response::new(GrantsResponse {
            grants: grants.map(|row| Grant { action: row.action }).collect(),
        }))
    }

    async fn authenticate_key(
        &self,
        request: Request<AuthenticateKeyRequest>,
    ) -> Result<Response<AuthenticateKeyResponse>, Status> {
        let holder = api_keys::authenticate(&self.0, &request.into_inner().key).await;
        let principal = holder.map_err(|e| failed(&e))?.map(principal);
        Ok(Response::new(AuthenticateKeyResponse { principal }))
    }

    async fn standing(
        &self,
        request: Request<StandingRequest>,
    ) -> Result<Response<StandingResponse>, Status> {
        let request = request.into_inner();
        let user: UserId = request.user_id.parse().map_err(|_| not_an_id("user_id"))?;
        let organization = request.organization_id.map(|id| id.parse()).transpose();
        let organization = organization.map_err(|_| not_an_id("organization_id"))?;
        let scopes = Permissions::new(request.scopes);
        let holder = api_keys::standing(&self.0, user, organization, scopes).await;
        let principal = holder.map_err(|e| failed(&e))?.map(principal);
        Ok(Response::new(StandingResponse { principal }))
    }

    async fn membership(
        &self,
        request: Request<MembershipRequest>,
    ) -> Result<Response<MembershipResponse>, Status> {
        let request = request.into_inner();
        let user: UserId = request.user_id.parse().map_err(|_| not_an_id("user_id"))?;
        let organization = request.organization_id.parse();
        let organization = organization.map_err(|_| not_an_id("organization_id"))?;
        let role = members::role_of(&self.0.db, organization, user).await;
        let role = role.map_err(|e| failed(&e.into()))?;
        Ok(Response::new(MembershipResponse {
            role: role.map(|role| role.name().to_owned()),
        }))
    }

    async fn managers(
        &self,
        request: Request<ManagersRequest>,
    ) -> Result<Response<ManagersResponse>, Status> {
        let id = request.into_inner().organization_id.parse();
        let id = id.map_err(|_| not_an_id("organization_id"))?;
        let users = managers(&self.0, id).await.map_err(|e| failed(&e.into()))?;
        Ok(Response::new(ManagersResponse {
            user_ids: users.iter().map(ToString::to_string).collect(),
        }))
    }

    async fn registration(
        &self,
        request: Request<RegistrationRequest>,
    ) -> Result<Response<RegistrationResponse>, Status> {
        let user: UserId = request
            .into_inner()
            .user_id
            .parse()
            .map_err(|_| not_an_id("user_id"))?;
        let kept = registered_names::find(&self.0.db, user).await;
        let names = kept.map_err(|e| failed(&e.into()))?.map(|kept| RegisteredNames {
            first_name: kept.first_name,
            last_name: kept.last_name,
        });
        Ok(Response::new(RegistrationResponse { names }))
    }

    async fn contacts(
        &self,
        request: Request<ContactsRequest>,
    ) -> Result<Response<ContactsResponse>, Status> {
        let asked = request.into_inner().user_ids;
        if asked.len() > CONTACTS_MAX {
            return Err(Status::invalid_argument(format!(
                "user_ids are more than {CONTACTS_MAX}"
            )));
        }
        let users: Result<Vec<UserId>, _> = asked.iter().map(|id| id.parse()).collect();
        let users = users.map_err(|_| not_an_id("user_ids"))?;
        let found = accounts::contacts(&self.0.db, &users).await;
        let contacts = found
            .map_err(|e| failed(&e.into()))?
            .into_iter()
            .map(|account| Contact {
                user_id: account.id.to_string(),
                email: account.email,
                is_email_verified: account.email_verified_at.is_some(),
                is_disabled: account.disabled_at.is_some(),
            });
        Ok(Response::new(ContactsResponse {
            contacts: contacts.collect(),
        }))
    }

    async fn prepare_mail(
        &self,
        request: Request<PrepareMailRequest>,
    ) -> Result<Response<PrepareMailResponse>, Status> {
        let request = request.into_inner();
        let user = request.user_id.map(|id| id.parse::<UserId>()).transpose();
        let user = user.map_err(|_| not_an_id("user_id"))?;
        let data = serde_json::from_str(&request.data);
        let data = data.map_err(|_| Status::invalid_argument("data is not JSON"))?;
        let prepared = mails::prepare(&self.0, &request.r#type, data, &request.key, user).await;
        Ok(Response::new(match prepared.map_err(|e| failed(&e))? {
            Prepared::Mail { address, details } => PrepareMailResponse {
                not_needed: None,
                address,
                details: serde_json::Value::Object(details).to_string(),
            },
            Prepared::NotNeeded(why) => PrepareMailResponse {
                not_needed: Some(why.to_owned()),
                ..PrepareMailResponse::default()
            },
        }))
    }

    async fn trust(&self, request: Request<TrustRequest>) -> Result<Response<TrustResponse>, Status> {
        let ctx = &self.0;
        // A slow or locked query must not hold up what others wait for to trust anybody.
        let TrustRequest { seq, mark } = request.into_inner();
        let page = reads::vital(trust::page(ctx, &Since { seq, mark })).await;
        let page = page.map_err(|e| failed(&e))?;
        reads::vital(ctx.keys.load(&ctx.db, &ctx.secrets))
            .await
            .map_err(|e| failed(&e))?;
        let keys = ctx.keys.public().into_iter();
        Ok(Response::new(TrustResponse {
            issuers: ctx.issuers(),
            seq: page.end.seq,
            mark: page.end.mark,
            more: page.more,
            keys: keys
                .map(|key| PublicKey {
                    kid: key.kid,
                    public: key.public.to_vec(),
                })
                .collect(),
            revoked_sessions: page
                .sessions
                .into_iter()
                .map(|revoked| RevokedSession {
                    session_id: revoked.session_id.to_string(),
                    until: revoked.until.as_microsecond(),
                })
                .collect(),
            raised_versions: page
                .versions
                .into_iter()
                .map(|raised| RaisedVersion {
                    user_id: raised.user_id.to_string(),
                    version: raised.version,
                    until: raised.until.as_microsecond(),
                })
                .collect(),
            tells_organizations: true,
            raised_organizations: page
                .organizations
                .into_iter()
                .map(|raised| RaisedOrganization {
                    organization_id: raised.organization_id.to_string(),
                    version: raised.version,
                    until: raised.until.as_microsecond(),
                })
                .collect(),
            raised_roles: page
                .roles
                .into_iter()
                .map(|raised| RaisedRole {
                    role: raised.role,
                    version: raised.version,
                    until: raised.until.as_microsecond(),
                })
                .collect(),
        }))
    }
}

fn principal(holder: KeyHolder) -> KeyPrincipal {
    let names = |permissions: &Permissions| permissions.iter().map(str::to_owned).collect();
    KeyPrincipal {
        user_id: holder.user.to_string(),
        permissions: names(&holder.permissions),
        scopes: names(&holder.scopes),
        roles: holder.roles,
        more_memberships: holder.memberships.more,
        memberships: holder.memberships.listed.iter().map(membership).collect(),
        organization_id: holder.organization.map(|id| id.to_string()),
    }
}

fn membership(of: &stoa_kernel::Membership) -> Membership {
    Membership {
        organization_id: of.organization_id.to_string(),
        role: of.role.name().to_owned(),
    }
}

fn not_an_id(field: &str) -> Status {
    Status::invalid_argument(format!("{field} is not a UUID"))
}

/// The cause goes to our log; the caller learns whether it may help to try again.
fn failed(error: &Error) -> Status {
    tracing::error!(%error, "a call of another service failed");
    match error {
        Error::Db(stoa_db::Error::Busy | stoa_db::Error::Conflict) => {
            Status::unavailable("try again shortly")
        }
        _ => Status::internal("something went wrong in auth"),
    }
}
