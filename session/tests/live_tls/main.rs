//! Stores whose servers are spoken to over TLS, with certificates of an authority that only the test knows.

#![cfg(all(feature = "tls-rustls", target_os = "linux"))]
#![allow(clippy::unwrap_used, missing_docs)]

mod postgres;
mod redis;

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a server shows and what it keeps to itself, both as PEM.
struct Certified {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for a server on this machine.
    fn certify(&self) -> Certified {
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = server.signed_by(&key, &self.0).unwrap().pem();
        Certified { certificate, key: key.serialize_pem() }
    }
}
