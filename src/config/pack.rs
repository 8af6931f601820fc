//! The model pack that `vision.pack` names: where it is, and what trains by it.
//!
//! **Not here.** What is in a pack, and whether it is right: that is seen when it is opened.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::Config;
use crate::engine::{Model, Trainer};

/// The folder of installed packs, below the data directory.
const PACKS: &str = "packs";

impl Config {
    /// Where packs are installed.
    pub fn packs_folder(&self) -> PathBuf {
        self.engine.data.join(PACKS)
    }

    /// What pictures are trained by, if anything; the pack is read and its models are tried, which takes a moment.
    pub fn trainer(&self) -> Result<Option<Arc<dyn Trainer>>, String> {
        let Some(folder) = &self.pack else { return Ok(None) };
        open(folder, self.engine.max_pixels, &self.engine.models).map(Some).map_err(|why| {
            let hint = if folder.starts_with(self.packs_folder()) && !folder.exists() {
                "; `faceclique models` lists the packs and says how one is installed"
            } else {
                ""
            };
            format!("vision.pack: the model pack in {} cannot be used: {why}{hint}", folder.display())
        })
    }
}

/// The folder that is meant: the name of a pack is that of an installed one, anything else is a path.
pub(super) fn folder(said: &str, data: &Path) -> PathBuf {
    let path = Path::new(said);
    let mut parts = path.components();
    let is_name = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) && !said.ends_with('/');
    let here = || path.join("pack.toml").is_file();
    let installed = data.join(PACKS).join(path);
    if is_name && (installed.exists() || !here()) { installed } else { path.to_owned() }
}

#[cfg(feature = "vision")]
fn open(folder: &Path, max_pixels: u64, models: &[Model]) -> Result<Arc<dyn Trainer>, String> {
    let trainer = crate::engine::PackTrainer::open(folder, max_pixels, models).map_err(|error| error.to_string())?;
    Ok(Arc::new(trainer))
}

#[cfg(not(feature = "vision"))]
fn open(_: &Path, _: u64, _: &[Model]) -> Result<Arc<dyn Trainer>, String> {
    Err("this program was built without the feature vision".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_installed_pack_and_a_path_itself() {
        let data = Path::new("/srv/data");
        for (said, expected) in [
            ("tiny", "/srv/data/packs/tiny"),
            ("./tiny", "./tiny"),
            ("packs/tiny", "packs/tiny"),
            ("/packs/tiny", "/packs/tiny"),
            ("..", ".."),
        ] {
            assert_eq!(folder(said, data), Path::new(expected), "{said}");
        }
    }
}
