//! TLS: what a port shows and asks for, and whom a caller trusts. The files are looked at anew all the time, so that a certificate is
//! renewed without a lost connection: those that are open go on, the next one meets the new pair.
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use anyhow::Context as _;
use jiff::Timestamp;
use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, ServerConfig,
    client::WantsClientCert,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;
use x509_cert::{Certificate, der::Decode};

use crate::{clock::Clock, settings::Settings};

/// What a port shows and asks for.
pub type Shown = Renewed<ServerConfig>;

// A new pair is in force so soon after it lies there.
const LOOK_EVERY: Duration = Duration::from_secs(2);
// Certificate and key are two files: between the writing of one and of the other they don't fit, which is no fault yet.
const LOOKS_BEFORE_TOLD: u32 = 2;

// What the files say, and until when it holds.
type Make<T> = fn(&[Vec<u8>]) -> anyhow::Result<(T, Option<Timestamp>)>;

/// Something made of files, and made anew when they change. What is made wrong leaves the old in force, and is told.
pub struct Renewed<T> {
    what: &'static str,
    files: Vec<PathBuf>,
    make: Make<T>,
    held: RwLock<Held<T>>,
    amiss: Mutex<Option<(String, u32)>>,
}

struct Held<T> {
    seen: Vec<Vec<u8>>,
    value: Arc<T>,
    // When the certificate that is shown ends.
    ends_at: Option<Timestamp>,
}

impl<T> Renewed<T> {
    fn new(what: &'static str, files: Vec<PathBuf>, make: Make<T>) -> anyhow::Result<Self> {
        let seen = read(&files)?;
        let (value, ends_at) = make(&seen).context(what)?;
        let held = RwLock::new(Held { seen, value: Arc::new(value), ends_at });
        Ok(Self { what, files, make, held, amiss: Mutex::default() })
    }

    /// What is in force.
    pub fn current(&self) -> Arc<T> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).value.clone()
    }

    /// When the certificate in force ends; nothing where none is shown.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).ends_at
    }

    /// What is wrong with the files as they lie there now, though the old ones hold on; or that these have ended meanwhile.
    pub fn amiss(&self) -> Option<String> {
        let amiss = self.amiss.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let broken = amiss.filter(|(_, looks)| *looks >= LOOKS_BEFORE_TOLD).map(|(told, _)| told);
        let ended = self.ends_at().filter(|ends_at| *ends_at <= Clock::default().now());
        broken.or_else(|| ended.map(|ends_at| format!("{}: the certificate ended at {ends_at}", self.what)))
    }

    /// Looks at the files, and takes over what is new and good.
    pub fn look(&self) {
        let known =
            |seen: &Vec<Vec<u8>>| self.held.read().unwrap_or_else(PoisonError::into_inner).seen == *seen;
        let found = read(&self.files).and_then(|seen| {
            let made = if known(&seen) { None } else { Some((self.make)(&seen)?) };
            Ok((seen, made))
        });
        let mut amiss = self.amiss.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok((_, None)) => *amiss = None,
            Ok((seen, Some((value, ends_at)))) => {
                *self.held.write().unwrap_or_else(PoisonError::into_inner) =
                    Held { seen, value: Arc::new(value), ends_at };
                *amiss = None;
                tracing::info!(what = self.what, "certificates renewed");
            }
            Err(error) => {
                let told = format!("{}: the old ones go on: {error:#}", self.what);
                let looks = match amiss.take() {
                    Some((known, looks)) if known == told => looks.saturating_add(1),
                    _ => 1,
                };
                if looks == LOOKS_BEFORE_TOLD {
                    tracing::warn!(what = self.what, why = %format!("{error:#}"), "new certificates can't be used, the old ones go on");
                }
                *amiss = Some((told, looks));
            }
        }
    }

    /// Keeps looking until the process stops.
    pub async fn follow(self: Arc<Self>, stopping: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => self.look(),
                () = stopping.cancelled() => return,
            }
        }
    }
}

fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Vec<u8>>> {
    let each =
        files.iter().map(|file| fs::read(file).with_context(|| format!("{} can't be read", file.display())));
    each.collect()
}

/// What the port shows, where the settings name a certificate: with `tls_client_ca` only to callers whose certificate that signed.
pub fn shown(settings: &Settings) -> anyhow::Result<Option<Arc<Shown>>> {
    if settings.tls_certificate.as_os_str().is_empty() {
        return Ok(None);
    }
    let pair = [&settings.tls_certificate, &settings.tls_key, &settings.tls_client_ca];
    let files = pair.into_iter().filter(|file| !file.as_os_str().is_empty()).cloned().collect();
    Ok(Some(Arc::new(Renewed::new("tls_certificate", files, server)?)))
}

fn server(files: &[Vec<u8>]) -> anyhow::Result<(ServerConfig, Option<Timestamp>)> {
    let [certificate, key, ca @ ..] = files else { anyhow::bail!("certificate and key are two files") };
    let (pair, ends_at) = certified(certificate, key)?;
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match ca {
        [] => builder.with_no_client_auth(),
        [ca, ..] => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(authorities(ca)?, provider()).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, Some(ends_at)))
}

/// Whom a caller trusts, and what it shows of itself.
#[derive(Clone)]
pub struct Dialer(Arc<Renewed<ClientConfig>>);

impl Dialer {
    /// Of the settings, where they name authorities.
    pub fn of(settings: &Settings) -> anyhow::Result<Option<Self>> {
        if settings.peer_ca.as_os_str().is_empty() {
            return Ok(None);
        }
        let files = [&settings.peer_ca, &settings.peer_certificate, &settings.peer_key];
        let files = files.into_iter().filter(|file| !file.as_os_str().is_empty()).cloned().collect();
        Ok(Some(Self(Arc::new(Renewed::new("peer_ca", files, client)?))))
    }

    /// Connects to a host that shows itself as such.
    pub async fn dial(&self, host: &str, port: u16) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(self.0.current()).connect(name, stream).await
    }

    /// The files behind it.
    pub fn renewed(&self) -> &Arc<Renewed<ClientConfig>> {
        &self.0
    }
}

fn client(files: &[Vec<u8>]) -> anyhow::Result<(ClientConfig, Option<Timestamp>)> {
    let [ca, own @ ..] = files else { anyhow::bail!("the authorities are a file") };
    let builder = judging_by(ca)?;
    let (mut config, ends_at) = match own {
        [certificate, key] => {
            let (pair, ends_at) = certified(certificate, key)?;
            (builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair))), Some(ends_at))
        }
        _ => (builder.with_no_client_auth(), None),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok((config, ends_at))
}

fn judging_by(ca: &[u8]) -> anyhow::Result<ConfigBuilder<ClientConfig, WantsClientCert>> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(authorities(ca)?))
}

/// A caller that trusts the authorities of a file and shows nothing of itself.
pub fn trusting(ca: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let pem = fs::read(ca).with_context(|| format!("{} can't be read", ca.display()))?;
    Ok(Arc::new(judging_by(&pem)?.with_no_client_auth()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

// A certificate with its chain and the key that fits it; and when it ends.
fn certified(certificate: &[u8], key: &[u8]) -> anyhow::Result<(CertifiedKey, Timestamp)> {
    let chain = certificates(certificate)?;
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|error| anyhow::anyhow!("the key is not PEM: {error}"))?;
    let first = chain.first().context("the certificate's file holds none")?;
    let validity =
        Certificate::from_der(first).context("the certificate is no X.509")?.tbs_certificate.validity;
    let ends_at = Timestamp::from_second(validity.not_after.to_unix_duration().as_secs().try_into()?)?;
    let now = Clock::default().now();
    anyhow::ensure!(ends_at > now, "the certificate ended at {ends_at}");
    let pair = CertifiedKey::from_der(chain, key, &provider())
        .map_err(|error| anyhow::anyhow!("certificate and key don't fit: {error}"))?;
    Ok((pair, ends_at))
}

fn authorities(pem: &[u8]) -> anyhow::Result<Arc<RootCertStore>> {
    let mut roots = RootCertStore::empty();
    let (_, _) = roots.add_parsable_certificates(certificates(pem)?);
    anyhow::ensure!(!roots.is_empty(), "the authorities' file holds none that can be used");
    Ok(Arc::new(roots))
}

fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let each = CertificateDer::pem_slice_iter(pem);
    each.collect::<Result<_, _>>().map_err(|error| anyhow::anyhow!("a certificate is not PEM: {error}"))
}
