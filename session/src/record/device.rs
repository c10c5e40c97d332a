/// What a session is used with, for a list that its user reads. Coarse on purpose: it is no fingerprint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// What its user or the application calls it. At most 128 bytes are kept.
    pub label: Option<String>,
    /// The kind of program, such as `Firefox on Linux`.
    pub agent: Option<String>,
    /// The network it came from, such as `192.0.2.0/24`.
    pub network: Option<String>,
}
