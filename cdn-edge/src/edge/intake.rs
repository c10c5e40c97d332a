//! How a body is taken in: from the origin's frames into a content that others read along.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::header;
use http_body::Body;
use http_body_util::BodyExt;

use super::error::BoxError;
use super::flight::Lead;
use super::shared::{Home, Shared};
use crate::content::{Content, Expect, Filler};
use crate::object::{Head, Object};
use crate::purge::Sequence;
use crate::semantics::{Admitted, Reason};
use crate::telemetry::Meter;

impl Shared {
    /// Begins to store a response.
    pub(super) fn open<RB: Body>(
        &self,
        home: Home,
        admitted: Admitted,
        response: &Response<RB>,
        since: Sequence,
    ) -> Result<(Home, Filler, Arc<Object>), Reason> {
        let length = length(response);
        if length.is_some_and(|length| length > self.limits.object) {
            return Err(Reason::TooLarge);
        }
        // A part that is not as long as it says is no part (RFC 9110, 14.4).
        let promised = admitted.stored.span().map(|span| span.end - span.start);
        if promised.is_some_and(|promised| length.is_some_and(|length| length != promised)) {
            return Err(Reason::BadPart);
        }
        let head = Head::encode(response.status(), &admitted.headers, &self.shapes)
            .map_err(|_| Reason::BadHeader)?;
        let marks = self.marks(&home.key, home.moved, since, response.headers());
        let (filler, content) = Content::filling(Expect {
            length: length.or(promised),
            keep: self.limits.object,
            window: self.limits.window,
            budget: Some(Arc::clone(&self.budget)),
        });
        let number = self.number();
        let object = Object { stored: admitted.stored, head, content, marks, number };
        Ok((home, filler, Arc::new(object)))
    }

    /// Takes a body in, and stores the response if it is whole.
    pub(super) async fn take_in<RB>(
        &self,
        home: &Home,
        filler: Filler,
        body: RB,
        object: &Arc<Object>,
        give_up: Option<GiveUp<'_>>,
    ) where
        RB: Body<Data = Bytes>,
        RB::Error: Into<BoxError>,
    {
        let meter = self.telemetry.meter(Some(home.key.hash()));
        if drive(filler, body, object, give_up, self, meter).await {
            self.store(home, object);
            if object.stored.span().is_some() {
                self.combine(&home.key, object, home.began).await;
            }
        }
    }
}

/// A fill may be given up when nobody reads its body any more.
#[derive(Clone, Copy)]
pub(super) struct GiveUp<'a> {
    /// Whom others wait for, who are about to read it.
    pub(super) lead: Option<&'a Lead>,
}

/// Waits until nobody reads a body, and nobody is about to.
async fn abandoned(content: &Content, give_up: Option<GiveUp<'_>>) {
    loop {
        content.abandoned().await;
        let Some(lead) = give_up.and_then(|give_up| give_up.lead) else { return };
        if lead.retire() && content.readers() == 0 {
            return;
        }
        lead.told().await;
    }
}

/// Moves a body into its content. Whether it is whole, and may be stored.
async fn drive<RB>(
    mut filler: Filler,
    body: RB,
    object: &Arc<Object>,
    give_up: Option<GiveUp<'_>>,
    shared: &Shared,
    mut meter: Meter,
) -> bool
where
    RB: Body<Data = Bytes>,
    RB::Error: Into<BoxError>,
{
    let mut body = std::pin::pin!(body);
    let content = Arc::clone(&object.content);
    let mut got: u64 = 0;
    loop {
        let frame = tokio::select! {
            biased;
            frame = frame(body.as_mut()) => frame,
            () = abandoned(&content, give_up), if give_up.is_some() && !is_worth_finishing(got, object.length()) => return false,
        };
        match frame {
            Some(Ok(data)) => {
                got += data.len() as u64;
                meter.received(data.len());
                // Only a body that is not kept ever waits here, for its fastest reader.
                match tokio::time::timeout(shared.limits.stall, filler.push(data)).await {
                    Ok(Ok(())) => {}
                    // Nobody reads it any more, it is longer than it said, or its readers have stopped.
                    Ok(Err(_)) | Err(_) => return false,
                }
            }
            Some(Err(error)) => {
                filler.fail(error);
                return false;
            }
            None => {
                return filler.finish().is_ok() && content.state() == crate::content::State::Whole;
            }
        }
    }
}

async fn frame<RB>(mut body: Pin<&mut RB>) -> Option<Result<Bytes, Arc<dyn Error + Send + Sync>>>
where
    RB: Body<Data = Bytes>,
    RB::Error: Into<BoxError>,
{
    loop {
        match body.frame().await? {
            Ok(frame) => {
                // Trailers are not kept (RFC 9110, 6.5.1 allows to drop them).
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(Arc::from(error.into()))),
        }
    }
}

/// Whether a fill that nobody reads any more goes on: half of it is here, or less than a mebibyte is missing. The
/// next one who asks then finds it, at little cost; a large one that has just begun is given up.
fn is_worth_finishing(got: u64, length: Option<u64>) -> bool {
    const LITTLE: u64 = 1 << 20;
    match length {
        Some(length) => length.saturating_sub(got) <= LITTLE.max(got),
        None => got <= LITTLE,
    }
}

fn length<B: Body>(response: &Response<B>) -> Option<u64> {
    let named = response.headers().get(header::CONTENT_LENGTH);
    let named = named.and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
    named.or_else(|| response.body().size_hint().exact())
}
