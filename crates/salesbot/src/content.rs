//! Content: embedded in the binary, overlaid file by file from a folder. The only place that reads it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use salesbot_dialogue::flow::FlowSources;
use salesbot_engine::Sources;
use salesbot_engine::nlg::banks::ReplySources;
use salesbot_engine::nlu::NluSources;
use salesbot_knowledge::KnowledgeSources;
use salesbot_yaml::SourceFile;

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../content");

/// Where a deployment keeps its own content when no other folder is named.
const INSTALLED: &str = "/etc/crm-sales-bot";
/// Folder of the named configurations.
const CONFIGS: &str = "configs/";
const ENVIRONMENT: &str = "SALESBOT_CONTENT";

/// Texts by their path inside the content folder; embedded ones are not copied.
type Files = BTreeMap<String, Cow<'static, str>>;

/// All YAML files, ready to load.
#[derive(Clone, Debug)]
pub struct Content {
    files: Files,
    /// The folder laid over the embedded content, if any.
    pub overlay: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error("cannot read the content folder `{path}`: {reason}")]
    Folder { path: String, reason: std::io::Error },
    #[error("`{path}` is not valid UTF-8; save it as UTF-8")]
    Encoding { path: String },
}

impl Content {
    /// The embedded content under `overlay`, `SALESBOT_CONTENT` or the installed folder, first that is given.
    ///
    /// # Errors
    /// A folder that was named but cannot be read.
    pub fn open(overlay: Option<&Path>) -> Result<Self, ContentError> {
        let mut files = BTreeMap::new();
        embed(&EMBEDDED, &mut files);
        let named =
            overlay.map(Path::to_path_buf).or_else(|| std::env::var_os(ENVIRONMENT).map(PathBuf::from));
        let folder = named.or_else(|| Some(PathBuf::from(INSTALLED)).filter(|path| path.is_dir()));
        let mut content = Self { files, overlay: folder };
        if let Some(folder) = content.overlay.clone() {
            content.lay_over(&folder)?;
        }
        Ok(content)
    }

    /// Files replace embedded ones by path; `knowledge/` replaces the embedded folder whole.
    fn lay_over(&mut self, folder: &Path) -> Result<(), ContentError> {
        let mut own = BTreeMap::new();
        read_folder(folder, "", &mut own)?;
        if own.keys().any(|name| name.starts_with("knowledge/")) {
            self.files.retain(|name, _| !name.starts_with("knowledge/"));
        }
        self.files.extend(own);
        Ok(())
    }

    /// Puts another knowledge folder, in the guide's format, in place of the one loaded.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn replace_knowledge(&mut self, folder: &Path) -> Result<(), ContentError> {
        let mut own = BTreeMap::new();
        read_files(folder, "knowledge/", &mut own)?;
        self.files.retain(|name, _| !name.starts_with("knowledge/"));
        self.files.extend(own);
        Ok(())
    }

    /// Names of the configurations in `configs/`.
    pub fn configs(&self) -> BTreeSet<String> {
        let names = self.files.keys().filter_map(|name| name.strip_prefix(CONFIGS)?.split_once('/'));
        names.map(|(name, _)| name.to_owned()).collect()
    }

    /// The content of a configuration: its files over all others, `knowledge/` as a whole.
    pub fn config(&self, name: &str) -> Self {
        let folder = format!("{CONFIGS}{name}/");
        let own: Files = self
            .files
            .iter()
            .filter_map(|(path, text)| Some((path.strip_prefix(&folder)?.to_owned(), text.clone())))
            .collect();
        let mut files = self.files.clone();
        files.retain(|path, _| !path.starts_with(CONFIGS));
        if own.keys().any(|path| path.starts_with("knowledge/")) {
            files.retain(|path, _| !path.starts_with("knowledge/"));
        }
        // Its settings lie over the service's own ones key by key, not as a file.
        files.extend(own.into_iter().filter(|(path, _)| path != "settings.yaml"));
        Self { files, overlay: self.overlay.clone() }
    }

    pub fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }

    pub fn file(&self, name: &str) -> SourceFile {
        SourceFile::new(name, self.files.get(name).cloned().unwrap_or_default())
    }

    fn matching(&self, wanted: impl Fn(&str) -> bool) -> Vec<SourceFile> {
        let files = self.files.iter().filter(|(name, _)| wanted(name));
        files.map(|(name, text)| SourceFile::new(name, text.clone())).collect()
    }

    /// The files of one load, by part.
    pub fn sources(&self) -> Sources {
        let knowledge = |name: &str| {
            name.strip_prefix("knowledge/").is_some_and(|rest| !rest.contains('/') && rest.ends_with(".yaml"))
        };
        let mut sections = self.matching(|name| knowledge(name) && name != "knowledge/_meta.yaml");
        sections.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        Sources {
            intents: self.matching(|name| name.starts_with("nlu/intents/") && name.ends_with(".yaml")),
            nlu: NluSources {
                lexicon: self.file("nlu/lexicon.yaml"),
                slots: self.file("nlu/slots.yaml"),
                rules: self.file("nlu/rules.yaml"),
                tone: self.file("nlu/tone.yaml"),
                context: self.file("nlu/context.yaml"),
                concepts: self.file("nlu/concepts.yaml"),
            },
            categories: self.file("nlu/categories.yaml"),
            flows: FlowSources {
                base: self.matching(|name| name.starts_with("flows/_base/") && name.ends_with(".yaml")),
                flows: self.matching(|name| name.ends_with("/flow.yaml") && name.starts_with("flows/")),
            },
            knowledge: KnowledgeSources {
                meta: self
                    .files
                    .get("knowledge/_meta.yaml")
                    .map(|text| SourceFile::new("knowledge/_meta.yaml", text.clone())),
                files: sections,
            },
            replies: ReplySources {
                actions: self.file("replies/actions.yaml"),
                acks: self.file("replies/acks.yaml"),
                questions: self.file("replies/questions.yaml"),
                messages: self.file("replies/messages.yaml"),
                objections: self.file("replies/objections.yaml"),
                menus: self.file("replies/menus.yaml"),
                ctas: self.file("replies/ctas.yaml"),
                flows: self.matching(|name| name.starts_with("flows/") && name.ends_with("/replies.yaml")),
            },
        }
    }
}

/// The classifier that was trained from the embedded content; empty before the first training.
pub fn shipped_model() -> &'static [u8] {
    EMBEDDED.get_file("nlu/model.bin").map(include_dir::File::contents).unwrap_or_default()
}

/// Where a classifier trained from changed content is kept, so that it is trained once.
pub fn cached_model_path() -> Option<PathBuf> {
    let by_unit = std::env::var_os("CACHE_DIRECTORY").map(PathBuf::from);
    let by_user = || std::env::var_os("XDG_CACHE_HOME").map(|path| PathBuf::from(path).join("salesbot"));
    let by_home = || std::env::var_os("HOME").map(|path| PathBuf::from(path).join(".cache/salesbot"));
    by_unit.or_else(by_user).or_else(by_home).map(|folder| folder.join("intents.bin"))
}

fn embed(dir: &'static Dir<'static>, files: &mut Files) {
    for file in dir.files() {
        if let (Some(name), Some(text)) = (file.path().to_str(), file.contents_utf8())
            && name.ends_with(".yaml")
        {
            files.insert(name.replace('\\', "/"), Cow::Borrowed(text));
        }
    }
    for inner in dir.dirs() {
        embed(inner, files);
    }
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Files) -> Result<(), ContentError> {
    read_files(folder, prefix, files)?;
    for entry in list(folder)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        // Only the folders of the content: a service folder may hold others, some of them not readable.
        let known = prefix.is_empty()
            && ["flows", "nlu", "knowledge", "replies", "configs"].contains(&name.as_str())
            || !prefix.is_empty();
        if known && entry.path().is_dir() && !name.starts_with('.') {
            read_folder(&entry.path(), &format!("{prefix}{name}/"), files)?;
        }
    }
    Ok(())
}

/// The `.yaml` files directly in a folder; dot-files and other endings are not content.
fn read_files(folder: &Path, prefix: &str, files: &mut Files) -> Result<(), ContentError> {
    for entry in list(folder)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !name.ends_with(".yaml") || !entry.path().is_file() {
            continue;
        }
        let path = entry.path().display().to_string();
        let bytes = std::fs::read(entry.path())
            .map_err(|reason| ContentError::Folder { path: path.clone(), reason })?;
        let text = String::from_utf8(bytes).map_err(|_| ContentError::Encoding { path })?;
        files.insert(format!("{prefix}{name}"), Cow::Owned(text));
    }
    Ok(())
}

fn list(folder: &Path) -> Result<Vec<std::fs::DirEntry>, ContentError> {
    let fail = |reason| ContentError::Folder { path: folder.display().to_string(), reason };
    let mut entries: Vec<_> = std::fs::read_dir(folder).map_err(fail)?.filter_map(Result::ok).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    Ok(entries)
}
