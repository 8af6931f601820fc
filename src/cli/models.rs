//! `faceclique models`: the model packs that pictures can be trained by, and the installation of one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::terminal::{self, Column};
use super::{DataArguments, Failure, LogArguments};
use crate::vision::{Description, Namesake, Pack, READY_PACKS, install};

const COLUMNS: [Column; 5] = [
    Column::text("pack", 4, 12),
    Column::text("state", 3, 9),
    Column::number("numbers"),
    Column::text("licence", 1, 10),
    Column::text("files", 0, 10),
];

/// List the model packs that pictures are trained by, and install one.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  faceclique models
  faceclique models add face-reid-retail-0095 yunet_n_dynamic.onnx face_reid_retail_0095.onnx
  faceclique models show mobilefacenet-y1 > pack.toml
  faceclique models add ./pack.toml ~/Downloads
  faceclique models add --replace ./pack.toml ~/Downloads

The weights are not part of the program: each pack says where its models are published and under which licence."
)]
pub struct Models {
    #[command(subcommand)]
    command: Option<ModelsCommand>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    /// List the packs that are installed and those that could be.
    List(List),
    /// Print the description of a pack.
    Show(Show),
    /// Install a pack below the data directory: checked, tried, and there whole or not at all.
    Add(Add),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique models list --data /var/lib/faceclique
  faceclique models list --json | jq -r '.[].name'")]
struct List {
    #[command(flatten)]
    data: DataArguments,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique models show mobilefacenet-y1
  faceclique models show ./pack.toml")]
struct Show {
    /// The name of a ready pack, or the path of a pack.toml or its folder.
    pack: String,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  faceclique models add face-reid-retail-0095 yunet_n_dynamic.onnx face_reid_retail_0095.onnx
  faceclique models add ./pack.toml ~/Downloads --data /var/lib/faceclique
  faceclique models add --replace ./pack")]
struct Add {
    #[command(flatten)]
    data: DataArguments,
    /// The name of a ready pack, or the path of a pack.toml or its folder.
    pack: String,
    /// If a pack of that name is installed, put this one in its place; a server that has it open goes on with the old one.
    #[arg(long)]
    replace: bool,
    /// The files of its models, or a folder that holds them; by default the folder of the pack.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Models {
    pub(super) fn run(self, log: &LogArguments) -> Result<(), Failure> {
        match self.command.unwrap_or(ModelsCommand::List(self.list)) {
            ModelsCommand::List(list) => list.run(log),
            ModelsCommand::Show(Show { pack }) => Ok(io::stdout().lock().write_all(described(&pack)?.0.as_bytes())?),
            ModelsCommand::Add(add) => add.run(log),
        }
    }
}

/// The description of a pack, and its folder if it is not a ready one.
fn described(pack: &str) -> Result<(String, Option<PathBuf>), Failure> {
    if let Some((_, text)) = READY_PACKS.into_iter().find(|(name, _)| *name == pack) {
        return Ok((text.to_owned(), None));
    }
    let path = Path::new(pack);
    let file = if path.is_dir() { path.join("pack.toml") } else { path.to_owned() };
    let text = fs::read_to_string(&file).map_err(|error| {
        let ready = READY_PACKS.map(|(name, _)| name).join(", ");
        format!("{}: {error}; ready packs are: {ready}", file.display())
    })?;
    let folder = file.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    Ok((text, folder.map(Path::to_owned)))
}

impl Add {
    fn run(self, log: &LogArguments) -> Result<(), Failure> {
        let packs = self.data.config(log)?.packs_folder();
        let (text, beside) = described(&self.pack)?;
        let description = Description::parse(&text).map_err(|error| format!("{}: {error}", self.pack))?;
        let given = if self.files.is_empty() { beside.into_iter().collect() } else { self.files };
        let namesake = if self.replace { Namesake::Goes } else { Namesake::Stays };
        let fingerprint = |folder: &Path| Pack::open(folder).ok().map(|pack| pack.fingerprint());
        let before = fingerprint(&packs.join(&description.name));
        let folder = install(&text, &given, &packs, namesake)?;
        let mut out = io::stdout().lock();
        let name = toml_text(&description.name);
        writeln!(out, "{}: installed, its models run", folder.display())?;
        writeln!(out, "licences: {}", licences(&description))?;
        if before.is_some() && before != fingerprint(&folder) {
            writeln!(
                out,
                "its embeddings are others than those of the pack that it replaces: a database that was trained by"
            )?;
            writeln!(out, "that one moves over by `faceclique retrain --database NAME --pack {name}`")?;
        }
        writeln!(out, "to train by it, start the server with --pack {name}, or with this in its configuration:\n")?;
        Ok(writeln!(out, "[vision]\npack = {name}")?)
    }
}

fn toml_text(text: &str) -> String {
    Value::from(text).to_string() // the escapes of JSON are those of TOML, and names have no control characters
}

fn licences(description: &Description) -> String {
    format!("{} (detector), {} (embedder)", description.detector.licence, description.embedder.licence)
}

/// A pack in the list.
struct Entry {
    description: Result<Description, String>,
    /// Where it is installed.
    folder: Option<PathBuf>,
    is_used: bool,
}

impl Entry {
    fn at(folder: PathBuf, is_used: bool) -> Self {
        Self {
            description: Description::open(&folder).map_err(|error| error.to_string()),
            folder: Some(folder),
            is_used,
        }
    }

    fn state(&self) -> String {
        let Some(folder) = &self.folder else { return "not installed".to_owned() };
        let files = match &self.description {
            Ok(description) => description.models().map(|(file, _)| file.to_owned()),
            Err(why) => return format!("broken: {why}"),
        };
        match files.iter().find(|file| !folder.join(file).is_file()) {
            Some(file) => format!("broken: {file} is missing"),
            None if self.is_used => "in use".to_owned(),
            None => "installed".to_owned(),
        }
    }

    fn row(&self, name: &str) -> Vec<String> {
        let rest = match &self.description {
            Ok(description) => {
                let files = description.models().map(|(file, _)| file).join(", ");
                [description.embedder.dimension.to_string(), description.embedder.licence.clone(), files]
            }
            Err(_) => Default::default(),
        };
        [name.to_owned(), self.state()].into_iter().chain(rest).collect()
    }

    fn json(&self, name: &str) -> Value {
        let mut value = json!({ "name": name, "state": self.state(), "folder": self.folder });
        if let Ok(Description { detector, embedder, .. }) = &self.description {
            value["dimension"] = embedder.dimension.into();
            value["files"] = json!([
                { "part": "detector", "file": detector.file, "sha256": detector.sha256, "licence": detector.licence },
                { "part": "embedder", "file": embedder.file, "sha256": embedder.sha256, "licence": embedder.licence },
            ]);
        }
        value
    }
}

impl List {
    fn run(self, log: &LogArguments) -> Result<(), Failure> {
        let config = self.data.config(log)?;
        let entries = entries(&config.packs_folder(), config.pack.as_deref())?;
        let mut out = io::stdout().lock();
        if self.json {
            let packs: Vec<_> = entries.iter().map(|(name, entry)| entry.json(name)).collect();
            return Ok(writeln!(out, "{}", terminal::json(&json!({ "packs": packs })))?);
        }
        let rows: Vec<_> = entries.iter().map(|(name, entry)| entry.row(name)).collect();
        write!(out, "{}", terminal::table(&COLUMNS, &rows, terminal::width()))?;
        if config.pack.is_none() {
            writeln!(out, "\nNone is in use: vision.pack or --pack says by which pictures are trained.")?;
        }
        Ok(())
    }
}

/// The packs by name: the ready ones, those installed below `packs`, and the one in use.
fn entries(packs: &Path, used: Option<&Path>) -> Result<BTreeMap<String, Entry>, Failure> {
    let ready = READY_PACKS.into_iter().map(|(name, text)| {
        let description = Description::parse(text).map_err(|error| error.to_string());
        (name.to_owned(), Entry { description, folder: None, is_used: false })
    });
    let mut entries: BTreeMap<_, _> = ready.collect();
    let installed = match fs::read_dir(packs) {
        Ok(folders) => folders.collect::<Result<Vec<_>, _>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(format!("{}: {error}", packs.display()).into()),
    };
    for folder in installed {
        let name = folder.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && folder.path().is_dir() {
            entries.insert(name, Entry::at(folder.path(), used == Some(&*folder.path())));
        }
    }
    if let Some(used) = used.filter(|used| used.parent() != Some(packs)) {
        entries.insert(used.display().to_string(), Entry::at(used.to_owned(), true));
    }
    Ok(entries)
}
