//! The client of real model servers: several endpoints, each with its slots, its breaker and what is known of
//! its health; one attempt after another within the budget of a turn.

mod attempt;
mod breaker;
mod dialect;
mod endpoint;
mod thoughts;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::chat::{Attempt, Budget, ChatModel, Failure, Hear, Prompt, Usage};
use crate::stats::{Counts, Stats};
use crate::tokens::Estimator;
pub use dialect::{Dialect, Wire};
use endpoint::Endpoint;
pub use endpoint::Health;

/// Choices of the deployment.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Addresses of like servers, without a path.
    pub endpoints: Vec<String>,
    pub dialect: Dialect,
    pub wire: Wire,
    /// Sent as a bearer token; empty: none.
    pub api_key: String,
    /// Calls at once at one endpoint; set it like the server's own parallel setting.
    pub slots: usize,
    pub connect_timeout: Duration,
    /// Longest time of one attempt.
    pub timeout: Duration,
    /// How long an endpoint is left alone after its breaker opened.
    pub rest: Duration,
    /// Asked even if it has never answered; otherwise a server counts from its first answer on.
    pub forced: bool,
}

/// How long the first retry of one question waits; the next ones twice as long each.
const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// Attempts at one question.
const ATTEMPTS: u32 = 3;
/// How long a look at a server's list of models may take.
const PROBE: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub struct Client {
    options: ClientOptions,
    endpoints: Vec<Endpoint>,
    http: reqwest::Client,
    runtime: Handle,
    estimator: Estimator,
    stats: Stats,
}

/// A client that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("`{0}` is no address of a server; write it as http://host:port")]
    Address(String),
    #[error("cannot set up the connections: {0}")]
    Setup(String),
}

impl Client {
    /// `runtime` drives the connections; calls are made from threads outside of it.
    ///
    /// # Errors
    /// [`ClientError`] for an address that is none.
    pub fn new(options: ClientOptions, runtime: Handle) -> Result<Arc<Self>, ClientError> {
        let mut endpoints = Vec::new();
        for address in &options.endpoints {
            let url = reqwest::Url::parse(address).ok().filter(|url| {
                matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
            });
            if url.is_none() {
                return Err(ClientError::Address(address.clone()));
            }
            // `/v1` belongs to the paths of the dialect; people write it either way.
            let base = address.trim_end_matches('/').trim_end_matches("/v1").to_owned();
            endpoints.push(Endpoint::new(base, options.slots, options.rest));
        }
        let http = tls(reqwest::Client::builder(), &options.endpoints)
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(90))
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("salesbot/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ClientError::Setup(error.to_string()))?;
        Ok(Arc::new(Self {
            options,
            endpoints,
            http,
            runtime,
            estimator: Estimator::default(),
            stats: Stats::default(),
        }))
    }

    pub fn counts(&self) -> Counts {
        self.stats.counts()
    }

    /// Address, health and breaker of each endpoint.
    pub fn health(&self) -> Vec<(&str, Health, &'static str)> {
        let now = Instant::now();
        self.endpoints.iter().map(|one| (one.base.as_str(), one.health(), one.breaker.name(now))).collect()
    }

    /// Looks once at every endpoint whether it is there and has the model.
    pub async fn probe(&self) {
        for endpoint in &self.endpoints {
            let health = self.look_at(endpoint).await;
            endpoint.found(health);
        }
    }

    async fn look_at(&self, endpoint: &Endpoint) -> Health {
        let dialect = self.options.dialect;
        let mut request = self.http.get(format!("{}{}", endpoint.base, dialect.models_path())).timeout(PROBE);
        if !self.options.api_key.is_empty() {
            request = request.bearer_auth(&self.options.api_key);
        }
        let Ok(response) = request.send().await else { return Health::Down };
        let Ok(bytes) = response.bytes().await else { return Health::Down };
        let Ok(body) = serde_json::from_slice(&bytes) else { return Health::Down };
        let Some(models) = dialect.models(&body) else { return Health::Down };
        let wanted = self.options.wire.model.as_str();
        // A server of one model may list it under any name; Ollama names are exact, `latest` may be left out.
        let has = models.iter().any(|name| *name == wanted || name.strip_suffix(":latest") == Some(wanted));
        if has || dialect == Dialect::OpenAi && models.len() == 1 { Health::Up } else { Health::NoModel }
    }

    /// The endpoint to ask: one whose breaker lets a call through, with the least to do; those that were seen
    /// to be up before the others.
    fn pick(&self, passed: &[usize]) -> Option<usize> {
        let now = Instant::now();
        let usable = |at: &usize| {
            let one = &self.endpoints[*at];
            (self.options.forced || one.has_answered()) && one.breaker.allows(now)
        };
        (0..self.endpoints.len()).filter(usable).min_by_key(|at| {
            let one = &self.endpoints[*at];
            (passed.contains(at), one.health() != Health::Up, one.load(), *at)
        })
    }

    async fn ask_async(
        &self,
        prompt: &Prompt,
        budget: &mut Budget,
        hear: Hear<'_>,
    ) -> Result<String, Failure> {
        let estimated = self.estimator.estimate(&[&prompt.system, &prompt.user]);
        let limit = self.options.wire.num_ctx;
        let mut note = Note { client: self, prompt, estimated, retry: 0 };
        if estimated + prompt.max_tokens > limit {
            return Err(note.skipped(budget, Failure::PromptTooLong { tokens: estimated, limit }));
        }
        let mut passed = Vec::new();
        loop {
            if budget.calls_left == 0 {
                return Err(note.skipped(budget, Failure::BudgetSpent));
            }
            let Some(at) = self.pick(&passed) else {
                return Err(note.skipped(budget, Failure::BreakerOpen));
            };
            let endpoint = &self.endpoints[at];
            let queued = Instant::now();
            let _slot = {
                let mut gone = budget.gone.clone();
                tokio::select! {
                    biased;
                    _ = gone.changed() => return Err(note.skipped(budget, Failure::Cancelled)),
                    slot = tokio::time::timeout_at(budget.deadline.into(), endpoint.slot()) => match slot {
                        Ok(slot) => slot,
                        Err(_) => return Err(note.skipped(budget, Failure::NoSlot)),
                    },
                }
            };
            let queue = queued.elapsed();
            if !endpoint.breaker.enter(Instant::now()) {
                // Somebody else's probe went out while this one waited.
                passed.push(at);
                if self.pick(&passed).is_none_or(|next| passed.contains(&next)) {
                    return Err(note.skipped(budget, Failure::BreakerOpen));
                }
                continue;
            }
            budget.calls_left -= 1;
            let begun = Instant::now();
            let breaker = endpoint.breaker.name(begun);
            let deadline = budget.deadline.min(begun + self.options.timeout);
            let mut gone = budget.gone.clone();
            let heard = tokio::select! {
                biased;
                _ = gone.changed() => attempt::Heard::failed(Failure::Cancelled),
                heard = attempt::attempt(&self.http, &self.options, endpoint, prompt, deadline, hear) => heard,
            };
            let latency = begun.elapsed();
            let failure = heard.failure.clone();
            match &failure {
                None => {
                    endpoint.breaker.succeeded();
                    endpoint.found(Health::Up);
                }
                Some(Failure::Cancelled) => endpoint.breaker.left(Instant::now()),
                Some(failure) if failure.blames_endpoint() => {
                    if endpoint.breaker.failed(Instant::now()) {
                        self.stats.tripped();
                        tracing::warn!(endpoint = endpoint.base, %failure, "the model server is left alone for a while");
                    }
                }
                // It answers, if not well.
                Some(_) => endpoint.breaker.succeeded(),
            }
            if failure.is_none() && !heard.stopped {
                self.estimator.learn(&[&prompt.system, &prompt.user], heard.usage.prompt_tokens);
            }
            self.stats.note(prompt.purpose, latency, &heard.usage, failure.as_ref(), note.retry);
            budget.attempts.push(Attempt {
                answer: heard.text.clone(),
                usage: heard.usage,
                queue,
                latency,
                first_text: heard.first_text,
                endpoint: endpoint.base.clone(),
                breaker,
                failure: failure.clone(),
                ..note.attempt()
            });
            let Some(failure) = failure else { return Ok(heard.text) };
            note.retry += 1;
            if !failure.may_retry() || note.retry >= ATTEMPTS {
                return Err(failure);
            }
            passed.push(at);
            // Elsewhere at once, here after a pause, and never past the time of the turn.
            if self.pick(&passed).is_none_or(|next| passed.contains(&next)) {
                let pause = RETRY_PAUSE * (1 << (note.retry - 1));
                if Instant::now() + pause >= budget.deadline || budget.calls_left == 0 {
                    return Err(failure);
                }
                let mut gone = budget.gone.clone();
                tokio::select! {
                    _ = gone.changed() => return Err(Failure::Cancelled),
                    () = tokio::time::sleep(pause) => {}
                }
                if self.pick(&[]).is_none() {
                    return Err(failure);
                }
            }
        }
    }
}

impl ChatModel for Client {
    fn ask(&self, prompt: &Prompt, budget: &mut Budget, hear: Hear<'_>) -> Result<String, Failure> {
        self.runtime.block_on(self.ask_async(prompt, budget, hear))
    }

    fn expected(&self) -> bool {
        self.options.forced || self.endpoints.iter().any(Endpoint::has_answered)
    }
}

/// Certificates are looked for where they are needed: a container may have none, and plain HTTP asks for none.
fn tls(builder: reqwest::ClientBuilder, endpoints: &[String]) -> reqwest::ClientBuilder {
    // A provider that is installed already is as good.
    rustls::crypto::ring::default_provider().install_default().ok();
    if endpoints.iter().any(|address| address.starts_with("https:")) {
        return builder;
    }
    let none = rustls::RootCertStore::empty();
    let config = rustls::ClientConfig::builder().with_root_certificates(none).with_no_client_auth();
    builder.tls_backend_preconfigured(config)
}

/// What all attempts at one question have in common.
struct Note<'a> {
    client: &'a Client,
    prompt: &'a Prompt,
    estimated: u32,
    retry: u32,
}

impl Note<'_> {
    fn attempt(&self) -> Attempt {
        let wire = &self.client.options.wire;
        Attempt {
            prompt: self.prompt.clone(),
            model: wire.model.clone(),
            endpoint: String::new(),
            answer: String::new(),
            usage: Usage::default(),
            estimated_tokens: self.estimated,
            num_ctx: wire.num_ctx,
            queue: Duration::ZERO,
            latency: Duration::ZERO,
            first_text: None,
            retry: self.retry,
            breaker: "open",
            failure: None,
        }
    }

    /// Notes a call that is not made.
    fn skipped(&self, budget: &mut Budget, failure: Failure) -> Failure {
        let closed = !matches!(failure, Failure::BreakerOpen);
        budget.attempts.push(Attempt {
            breaker: if closed { "closed" } else { "open" },
            failure: Some(failure.clone()),
            ..self.attempt()
        });
        self.client.stats.skipped();
        failure
    }
}
