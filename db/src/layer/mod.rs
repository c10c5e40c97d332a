//! Carries tokens between HTTP requests and responses.
