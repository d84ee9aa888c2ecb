//! Asking etcd's JSON gateway, one member after the other.
//!
//! A thread that asks has a gateway of its own. It stays with a member while that answers, and
//! goes to the next one when it does not.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};
use zeroize::Zeroizing;

use crate::backend::BackendError;
use crate::backend::etcd::EtcdSettings;
use crate::backend::shared::SignOfLife;

use super::api::{Authenticated, Credentials, Problem};
use super::unanswered::{tell, was_not_asked};

/// The longest answer that is read: what one transaction or one page of a list can come to, many
/// times over.
const ANSWER_MAX: u64 = 64 * 1024 * 1024;

/// How much is told of an answer that is not etcd's.
const TEXT_MAX: usize = 200;

/// gRPC's words for what cannot be said to have failed.
const UNKNOWN: [u16; 6] = [1, 2, 4, 10, 13, 14];
/// What etcd, or the way to it, says of a question that it finds too large.
const TOO_LARGE: [&str; 3] = ["request is too large", "too many operations", "larger than max"];

const UNAUTHENTICATED: u16 = 16;
const INVALID_ARGUMENT: u16 = 3;

/// Why a question has no answer.
#[derive(Debug, Error)]
pub(super) enum CallError {
    /// It did not reach etcd.
    #[error("{0}")]
    NotAsked(String),
    /// It may have reached etcd, and been done.
    #[error("{0}")]
    InDoubt(String),
    /// Etcd does not do it.
    #[error("{0}")]
    Refused(String),
    /// Etcd does not do so much at once.
    #[error("{0}; ask for less at once, or let etcd take more (`--max-request-bytes`)")]
    TooLarge(String),
}

/// A way to ask the members of etcd, of which one is asked at a time.
pub(super) struct Gateway {
    agent: Agent,
    endpoints: Vec<String>,
    /// Which of them is asked.
    current: usize,
    user: Option<(String, Zeroizing<String>)>,
    token: Option<String>,
    /// Called before each question, which takes a few times the request timeout at the most.
    sign: SignOfLife,
}

impl Gateway {
    /// One whose answers come within the request timeout, or, where `silence_max` is given, whose
    /// answers may go on for ever, but not be silent for longer than that.
    pub(super) fn open(
        settings: &EtcdSettings,
        silence_max: Option<Duration>,
    ) -> Result<Self, BackendError> {
        let timeout = settings.request_timeout;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_resolve(Some(timeout))
            .timeout_connect(Some(timeout))
            .timeout_send_request(Some(timeout))
            .timeout_send_body(Some(timeout))
            .timeout_recv_response(Some(timeout))
            .timeout_per_read(silence_max)
            .timeout_global(silence_max.is_none().then_some(timeout))
            .max_redirects(0)
            // Whatever the environment says: etcd is a neighbour.
            .proxy(None)
            .tls_config(tls(settings)?)
            .build();
        let user = match &settings.user {
            Some((name, file)) => Some((name.clone(), password(file)?)),
            None => None,
        };
        Ok(Self {
            agent: Agent::new_with_config(config),
            endpoints: settings.endpoints.clone(),
            current: 0,
            user,
            token: None,
            sign: Arc::new(|| ()),
        })
    }

    /// Gives it what to call before each question.
    pub(super) fn show_life(&mut self, sign: SignOfLife) {
        self.sign = sign;
    }

    /// How many members there are to ask.
    pub(super) fn members(&self) -> usize {
        self.endpoints.len()
    }

    /// Asks one member. Where it has no answer, the next question goes to the next one.
    pub(super) fn ask<Answer: DeserializeOwned>(
        &mut self,
        path: &str,
        question: &impl Serialize,
    ) -> Result<Answer, CallError> {
        let mut body = self.open_answer(path, question)?;
        let text = body.with_config().limit(ANSWER_MAX).read_to_vec();
        let text = text.map_err(|error| self.in_doubt(&error))?;
        serde_json::from_slice(&text).map_err(|error| {
            let url = self.url();
            CallError::InDoubt(format!("{url} gives an answer that is none of etcd's: {error}"))
        })
    }

    /// Asks one after the other, until one has an answer. For questions that change nothing, or
    /// nothing more when they are asked again.
    pub(super) fn ask_all<Answer: DeserializeOwned>(
        &mut self,
        path: &str,
        question: &impl Serialize,
    ) -> Result<Answer, CallError> {
        let mut answer = self.ask(path, question);
        for _ in 1..self.members().max(2) {
            match answer {
                Err(CallError::NotAsked(_) | CallError::InDoubt(_)) => {
                    answer = self.ask(path, question);
                }
                _ => break,
            }
        }
        answer
    }

    /// Asks one member a question whose answer goes on for ever.
    pub(super) fn stream(
        &mut self,
        path: &str,
        question: &impl Serialize,
    ) -> Result<Box<dyn Read + Send>, CallError> {
        let body = self.open_answer(path, question)?;
        Ok(Box::new(body.into_with_config().limit(u64::MAX).reader()))
    }

    /// Goes to the next member.
    pub(super) fn leave(&mut self) {
        self.current = (self.current + 1) % self.endpoints.len();
        // Tokens are known to all members; but it may have been the token.
        self.token = None;
    }

    /// Which member is asked.
    pub(super) fn url(&self) -> &str {
        &self.endpoints[self.current]
    }

    fn open_answer(&mut self, path: &str, question: &impl Serialize) -> Result<Body, CallError> {
        if self.user.is_some() && self.token.is_none() {
            self.authenticate()?;
        }
        match self.post(path, question) {
            // The token has run out; nothing was done.
            Err((_, Some(UNAUTHENTICATED | INVALID_ARGUMENT))) if self.user.is_some() => {
                self.authenticate()?;
                self.post(path, question).map_err(|(error, _)| error)
            }
            answer => answer.map_err(|(error, _)| error),
        }
    }

    fn authenticate(&mut self) -> Result<(), CallError> {
        self.token = None;
        let Some((name, password)) = &self.user else { return Ok(()) };
        let (name, password) = (name.clone(), password.clone());
        let credentials = Credentials { name: &name, password: &password };
        let mut body =
            self.post("auth/authenticate", &credentials).map_err(|(error, _)| match error {
                // Nothing was asked for yet.
                CallError::InDoubt(reason) => CallError::NotAsked(reason),
                other => other,
            })?;
        let text = body.read_to_vec().map_err(|error| self.in_doubt(&error))?;
        let answer: Authenticated = serde_json::from_slice(&text).map_err(|error| {
            CallError::NotAsked(format!("{} gives no token: {error}", self.url()))
        })?;
        self.token = Some(answer.token);
        Ok(())
    }

    /// The open answer; the error with gRPC's code, otherwise.
    fn post(
        &mut self,
        path: &str,
        question: &impl Serialize,
    ) -> Result<Body, (CallError, Option<u16>)> {
        (self.sign)();
        let url = format!("{}/v3/{path}", self.url());
        let question = serde_json::to_vec(question)
            .map_err(|error| (CallError::Refused(error.to_string()), None))?;
        let mut request = self.agent.post(&url).content_type("application/json");
        if let Some(token) = &self.token {
            request = request.header("Authorization", token);
        }
        let mut response = match request.send(&question) {
            Ok(response) => response,
            Err(error) if was_not_asked(&error) => {
                let reason = tell(self.url(), &error);
                self.leave();
                return Err((CallError::NotAsked(reason), None));
            }
            Err(error) => return Err((self.in_doubt(&error), None)),
        };
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        let status = response.status();
        let text = response.body_mut().read_to_vec().unwrap_or_default();
        let problem = serde_json::from_slice(&text).unwrap_or_else(|_| {
            let text: String = String::from_utf8_lossy(&text).chars().take(TEXT_MAX).collect();
            Problem { code: 2, message: format!("HTTP status {status}: {}", text.trim()) }
        });
        let reason = format!("{} says: {}", self.url(), problem.message);
        let code = Some(problem.code);
        if TOO_LARGE.iter().any(|words| problem.message.contains(words)) {
            Err((CallError::TooLarge(reason), code))
        } else if UNKNOWN.contains(&problem.code) {
            self.leave();
            Err((CallError::InDoubt(reason), code))
        } else {
            Err((CallError::Refused(reason), code))
        }
    }

    fn in_doubt(&mut self, error: &ureq::Error) -> CallError {
        let reason = tell(self.url(), error);
        self.leave();
        CallError::InDoubt(reason)
    }
}

impl From<CallError> for BackendError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::TooLarge(_) => Self::too_large(error.to_string()),
            _ => Self::new(error.to_string()),
        }
    }
}

fn tls(settings: &EtcdSettings) -> Result<TlsConfig, BackendError> {
    let mut config = TlsConfig::builder();
    if let Some(file) = &settings.ca_file {
        config = config.root_certs(RootCerts::new_with_certs(&certificates(file)?));
    }
    if let Some((certificate, key)) = &settings.identity {
        config = config.client_cert(Some(identity(certificate, key)?));
    }
    Ok(config.build())
}

fn identity(certificate: &Path, key_file: &Path) -> Result<ClientCert, BackendError> {
    let chain = certificates(certificate)?;
    let key = PrivateKey::from_pem(&read(key_file)?).map_err(|_| holds_none(key_file, "key"))?;
    let ders = chain.iter().map(|one| CertificateDer::from(one.der().to_vec())).collect();
    PrivateKeyDer::try_from(key.der().to_vec())
        .map_err(|reason| reason.to_owned())
        .and_then(|key| {
            CertifiedKey::from_der(ders, key, &default_provider()).map_err(|it| it.to_string())
        })
        .map_err(|reason| {
            let (certificate, key) = (certificate.display(), key_file.display());
            BackendError::new(format!("{key} does not go with {certificate}: {reason}"))
        })?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>, BackendError> {
    let pem = read(file)?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() { Err(holds_none(file, "certificate")) } else { Ok(certificates) }
}

/// The first line of the file.
fn password(file: &Path) -> Result<Zeroizing<String>, BackendError> {
    let text = Zeroizing::new(read(file)?);
    let text = std::str::from_utf8(&text).map_err(|_| holds_none(file, "password"))?;
    let first = text.lines().next().filter(|line| !line.is_empty());
    let first = first.ok_or_else(|| holds_none(file, "password"))?;
    Ok(Zeroizing::new(first.to_owned()))
}

fn read(file: &Path) -> Result<Vec<u8>, BackendError> {
    let path = file.display();
    fs::read(file).map_err(|error| BackendError::with_source(format!("cannot read {path}"), error))
}

fn holds_none(file: &Path, what: &str) -> BackendError {
    BackendError::new(format!("{} holds no {what}", file.display()))
}
