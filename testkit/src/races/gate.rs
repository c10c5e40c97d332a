use tokio::sync::watch;
use tokio::task::yield_now;

/// Steps after which somebody who has not come will not come.
const PATIENCE: usize = 1_000;

/// A place where one who passes can be held.
///
/// A clone is another handle to the same one.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<State>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Armed,
    Held,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// One that is open.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(State::Open))
    }

    /// Holds the next who comes; all others pass.
    pub fn hold_next(&self) {
        self.0.send_replace(State::Armed);
    }

    /// Goes through, or is held until the [release](Self::release).
    pub async fn pass(&self) {
        let held = self.0.send_if_modified(|state| {
            let armed = *state == State::Armed;
            if armed {
                *state = State::Held;
            }
            armed
        });
        if held {
            // The sender is in our hands, so there is no error.
            let _ = self.0.subscribe().wait_for(|state| *state == State::Open).await;
        }
    }

    /// Waits until somebody is held, some steps long. `false`: nobody came.
    pub async fn arrived(&self) -> bool {
        for _ in 0..PATIENCE {
            if *self.0.borrow() == State::Held {
                return true;
            }
            yield_now().await;
        }
        false
    }

    /// Lets the one that is held go on.
    pub fn release(&self) {
        self.0.send_replace(State::Open);
    }
}
