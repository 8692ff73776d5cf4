//! The HTTP service: routes, limits, problems, graceful shutdown. Turns run off the async threads, so a slow
//! one never holds up `/health`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::api::{self, Call};
use crate::load::{self, Loaded};
use crate::problem::{Code, Problem};
use crate::service::{self, Configurations};
use crate::{doors, reload};

/// What the handlers share.
#[derive(Debug)]
pub struct Service {
    pub configurations: Configurations,
    turns: Semaphore,
    waiting: AtomicUsize,
    queue_limit: usize,
    queue_timeout: Duration,
    max_body_bytes: usize,
    draining: AtomicBool,
    requests: AtomicU64,
    started: Instant,
}

impl Service {
    /// `environment` is read again at each reload; `store` keeps overrides over a restart.
    pub fn new(loaded: &Loaded, environment: Vec<(String, String)>, store: Option<PathBuf>) -> Self {
        let settings = &loaded.settings;
        Self {
            configurations: Configurations::new(loaded, environment, store),
            turns: Semaphore::new(settings.usize("server.max_concurrent_turns")),
            waiting: AtomicUsize::new(0),
            queue_limit: settings.usize("server.queue_limit"),
            queue_timeout: settings.seconds("server.queue_timeout_s"),
            max_body_bytes: settings.usize("server.max_body_bytes"),
            draining: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            started: Instant::now(),
        }
    }

    /// From here on `/health` and `/ready` say 503 and new turns are refused.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}

/// The routes. Tests call them without a socket.
pub fn app(service: Arc<Service>) -> Router {
    let limit = service.max_body_bytes;
    Router::new()
        .route("/api/v1/process", post(process))
        .route("/api/v1/restore", post(restore))
        .route("/api/v1/flows", get(flows))
        .route("/api/v1/configs", get(configs))
        .route("/api/v1/configs/{name}/override", get(overrides).post(set_overrides).delete(clear_overrides))
        .route("/api/v1/flags", get(flags))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .fallback(|headers: RequestId| async move {
            refuse(
                &Problem::new(
                    Code::NotFound,
                    "there is nothing at this path; turns go to POST /api/v1/process",
                ),
                &headers.0,
            )
        })
        .method_not_allowed_fallback(|headers: RequestId| async move {
            refuse(&Problem::new(Code::MethodNotAllowed, "this path does not take this method"), &headers.0)
        })
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(limit, identify))
        .with_state(service)
}

/// The id of a request: the client's `X-Request-Id` or `Idempotency-Key`, else a new one.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for RequestId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &S,
    ) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(String::new())))
    }
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

fn request_id(headers: &HeaderMap) -> String {
    let given = ["idempotency-key", "x-request-id"].iter().find_map(|name| headers.get(*name)?.to_str().ok());
    let visible =
        |text: &&str| !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c.is_ascii_graphic());
    given.filter(visible).map_or_else(new_id, str::to_owned)
}

fn new_id() -> String {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_nanos());
    let number = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    format!("r-{nanos:x}-{number:x}")
}

/// Gives every request its id and every response the id back; logs sizes and times, never texts.
async fn identify(State(_limit): State<usize>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(RequestId(id.clone()));
    let begun = Instant::now();
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response.headers_mut().insert("x-service-version", HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    let ms = begun.elapsed().as_secs_f64() * 1000.0;
    tracing::info!(request_id = %id, %method, path, status = response.status().as_u16(), ms, "request");
    response
}

fn refuse(problem: &Problem, request_id: &str) -> Response {
    let status = StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, problem.body(request_id).to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn process(
    State(service): State<Arc<Service>>,
    id: RequestId,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match turn(&service, &id.0, &headers, body).await {
        Ok(response) => answer(StatusCode::OK, &response),
        Err(problem) => refuse(&problem, &id.0),
    }
}

async fn turn(service: &Arc<Service>, id: &str, headers: &HeaderMap, body: Body) -> Result<Value, Problem> {
    if service.is_draining() {
        return Err(Problem::new(
            Code::Draining,
            "the service is shutting down; send the same request again in a moment",
        ));
    }
    let body = read_json(headers, body, service.max_body_bytes).await?;
    let view = Arc::clone(service.configurations.live().view(api::config_of(&body)));
    let id = body
        .get("request_id")
        .and_then(Value::as_str)
        .filter(|_| !headers.contains_key("idempotency-key"))
        .unwrap_or(id)
        .to_owned();
    let waiting = Waiting::enter(&service.waiting);
    if waiting.0.load(Ordering::SeqCst) > service.queue_limit + service.turns.available_permits() {
        return Err(overloaded());
    }
    let permit = tokio::time::timeout(service.queue_timeout, service.turns.acquire()).await;
    let Ok(Ok(_permit)) = permit else { return Err(overloaded()) };
    drop(waiting);
    let work = tokio::task::spawn_blocking(move || {
        let begun = Instant::now();
        let measured = || begun.elapsed().as_secs_f64() * 1000.0;
        let call = Call { request_id: &id, now: now(), measured: &measured };
        api::process(&view.engine, &view.door, &body, &call)
    });
    service.requests.fetch_add(1, Ordering::Relaxed);
    work.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a turn failed");
        Err(Problem::new(Code::Internal, "the service failed on this turn; the old snapshot stays valid"))
    })
}

fn overloaded() -> Problem {
    Problem::new(
        Code::Overloaded,
        "too many turns are being worked on; send the same request again in a moment",
    )
}

fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
}

/// Counts requests that wait for their turn.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn read_json(headers: &HeaderMap, body: Body, limit: usize) -> Result<Value, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_lowercase();
    if kind != "application/json" && !(kind.starts_with("application/") && kind.ends_with("+json")) {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "send the body as `Content-Type: application/json`",
        ));
    }
    let too_large = || Problem::new(Code::PayloadTooLarge, format!("the body is larger than {limit} bytes"));
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let bytes: Bytes = axum::body::to_bytes(body, limit).await.map_err(|_| too_large())?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let reason = error.to_string();
        let reason = reason.split(" at line").next().unwrap_or_default();
        Problem::new(Code::InvalidJson, format!("cannot read the body as JSON at {place}: {reason}"))
    })
}

/// Bytes of a body with overrides.
const OVERRIDE_BYTES: usize = 256 << 10;

fn reply(result: Result<Value, Problem>, id: &str) -> Response {
    match result {
        Ok(body) => answer(StatusCode::OK, &body),
        Err(problem) => refuse(&problem, id),
    }
}

async fn restore(
    State(service): State<Arc<Service>>,
    id: RequestId,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let read = read_json(&headers, body, service.max_body_bytes).await;
    reply(read.and_then(|body| doors::restore(&service.configurations.live(), &body)), &id.0)
}

async fn flows(State(service): State<Arc<Service>>) -> Response {
    answer(StatusCode::OK, &doors::flows(&service.configurations.live()))
}

async fn configs(State(service): State<Arc<Service>>) -> Response {
    answer(StatusCode::OK, &doors::configs(&service.configurations.live()))
}

async fn flags(State(service): State<Arc<Service>>) -> Response {
    answer(StatusCode::OK, &doors::flags(&service.configurations.live()))
}

async fn overrides(State(service): State<Arc<Service>>, id: RequestId, Path(name): Path<String>) -> Response {
    reply(doors::overrides(&service.configurations.live(), &name), &id.0)
}

async fn set_overrides(
    State(service): State<Arc<Service>>,
    id: RequestId,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let read = read_json(&headers, body, OVERRIDE_BYTES).await;
    reply(read.and_then(|body| doors::set_overrides(&service.configurations, &name, &body)), &id.0)
}

async fn clear_overrides(
    State(service): State<Arc<Service>>,
    id: RequestId,
    Path(name): Path<String>,
) -> Response {
    reply(doors::clear_overrides(&service.configurations, &name), &id.0)
}

async fn health(State(service): State<Arc<Service>>) -> Response {
    let (status, word) = if service.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else {
        (StatusCode::OK, "ok")
    };
    answer(status, &json!({"status": word, "model": model(&service), "version": env!("CARGO_PKG_VERSION")}))
}

fn model(service: &Service) -> String {
    service.configurations.live().view(load::DEFAULT).door.model.clone()
}

async fn ready(State(service): State<Arc<Service>>) -> Response {
    let (status, word) = if service.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    } else {
        (StatusCode::OK, "ready")
    };
    let live = service.configurations.live();
    let view = live.view(load::DEFAULT);
    let body = json!({
        "status": word,
        "model": model(&service),
        "writer": "embedded",
        "flows": view.engine.catalog.names().count(),
        "knowledge_sections": view.engine.retriever.knowledge.sections.len(),
        "turns": service.requests.load(Ordering::Relaxed),
        "uptime_s": service.started.elapsed().as_secs(),
    });
    answer(status, &body)
}

/// Serves until SIGTERM or Ctrl-C, then finishes the turns under way.
///
/// # Errors
/// If the address cannot be bound.
pub async fn serve(loaded: Loaded, listen: std::net::SocketAddr) -> anyhow::Result<()> {
    let drain = loaded.settings.seconds("server.drain_timeout_s");
    let environment = std::env::vars().collect();
    let service = Arc::new(Service::new(&loaded, environment, service::store()));
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|error| {
        anyhow::anyhow!("cannot listen on {listen}: {error}; choose another with --listen")
    })?;
    let sections = loaded.engine.retriever.knowledge.sections.len();
    let configs = loaded.configs.len() + 1;
    drop(loaded);
    tracing::info!(listen = %listener.local_addr()?, sections, configs, "ready");
    reload::keep_fresh(&service);
    sd_notify::notify(&[sd_notify::NotifyState::Ready]).ok();
    let (stopped, mut finished) = tokio::sync::watch::channel(false);
    let shutting = Arc::clone(&service);
    let signal = async move {
        stop_signal().await;
        tracing::info!("stopping: finishing the turns under way");
        sd_notify::notify(&[sd_notify::NotifyState::Stopping]).ok();
        shutting.drain();
        stopped.send(true).ok();
    };
    let server = axum::serve(listener, app(service)).with_graceful_shutdown(signal);
    let limit = async {
        // A connection that never ends must not hold the process for ever.
        finished.wait_for(|stopping| *stopping).await.ok();
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        result = server.into_future() => result?,
        () = limit => tracing::warn!("turns were still under way after the drain timeout"),
    }
    Ok(())
}

async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    interrupt.await.ok();
}
