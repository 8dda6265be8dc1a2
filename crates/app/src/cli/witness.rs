//! `ascribe witness`: a witness that an auditor runs on a machine of their own.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Asked;
use super::checkpoints::{ListenArguments, listen};
use super::escape::line;
use super::messages::{Exit, Failure, print, say};
use super::upkeep::form;
use crate::http::{self, Handler, witness::REQUEST_BYTES, witness::WitnessService};
use crate::ops::{WitnessError, init_witness, open_witness};

/// Arguments of `witness`.
#[derive(Debug, Args)]
pub struct WitnessArguments {
    #[command(subcommand)]
    command: WitnessCommand,
}

#[derive(Debug, Subcommand)]
enum WitnessCommand {
    /// Make a folder for a witness, with its own key
    Init(InitArguments),
    /// Cosign the checkpoints of the ledgers that the file `followed` lists, as long as each extends the last
    Serve(ServeArguments),
}

#[derive(Debug, Args)]
struct InitArguments {
    /// The folder to make
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Name under which its cosignatures stand, such as `witness.example.com/w1`
    #[arg(long)]
    name: String,
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// The folder of the witness
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    listen: ListenArguments,
}

pub fn witness(asked: &Asked<'_>, arguments: &WitnessArguments) -> Result<Exit, Failure> {
    match &arguments.command {
        WitnessCommand::Init(arguments) => init(asked, arguments),
        WitnessCommand::Serve(arguments) => serve(asked, arguments),
    }
}

fn init(asked: &Asked<'_>, arguments: &InitArguments) -> Result<Exit, Failure> {
    let made = init_witness(&arguments.folder, &arguments.name)?;
    let shown = line(&made.folder.to_string_lossy(), 500);
    let rows = [("witness", shown.clone()), ("verifier key", made.key.clone())];
    let value = json!({
        "schema": "ascribe/witness-init/v1",
        "witness": made.folder.to_string_lossy(),
        "verifier_key": made.key,
    });
    let next = format!(
        "\nNext:\n  put the verifier key of each ledger that it is to follow into {shown}/followed, one a line\n  \
         ascribe witness serve {shown} --listen 127.0.0.1:8080\n\n\
         `{shown}/witness.key` cosigns: keep it from whoever runs those ledgers. `{shown}/state` is what it has seen:\n\
         an older copy of it makes the witness forget.\n"
    );
    print(&form(asked.output, &rows, &value, &next))?;
    Ok(Exit::Yes)
}

fn serve(asked: &Asked<'_>, arguments: &ServeArguments) -> Result<Exit, Failure> {
    let open = open_witness(&arguments.folder)?;
    if open.origins.is_empty() {
        say("note: the file `followed` lists no ledger, so nothing will be cosigned");
    }
    let about = [("verifier key", open.key.clone()), ("follows", open.origins.join(", "))];
    let service = WitnessService::new(open.book, say);
    let handler: Arc<Handler> = Arc::new(move |request| service.answer(request));
    let _lock = open.lock;
    listen(asked, &arguments.listen, ("ascribe/witness-serve/v1", &about), |listener| {
        http::serve(listener, REQUEST_BYTES, &handler)
    })
}

impl From<WitnessError> for Failure {
    fn from(error: WitnessError) -> Self {
        let hint = error.hint();
        Self::unusable(error, hint)
    }
}
