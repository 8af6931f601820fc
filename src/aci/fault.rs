//! The catalogue of errors: number, code, text, and the descriptions that are fixed (contract chapter 3).
//!
//! **Promises.** A description is never empty and quotes values up to 254 bytes, cut at a character boundary, so that
//! the reader need not look anything up (R51, R53). It is one line without control characters: those of a quoted value
//! are shown escaped, so that a log or a terminal on which a client shows it is not theirs to command.
//!
//! **Not here.** When the error happened and how it is written (`answer`); details for the log (the caller's).

use thiserror::Error;

use super::text::quoted;
use crate::face::NameError;

macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = $number:literal $errorcode:literal $errorstring:literal;)*) => {
        /// One entry of the catalogue (R59).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// The whole catalogue, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number, as in `errorid` and `rawerrorid`.
            pub fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }

            /// The text of `errorcode`.
            pub fn errorcode(self) -> &'static str {
                match self { $(Self::$name => $errorcode,)* }
            }

            /// The fixed text of `errorstring`.
            pub fn errorstring(self) -> &'static str {
                match self { $(Self::$name => $errorstring,)* }
            }
        }
    };
}

catalogue! {
    /// No action of that name.
    UnknownAction = 1 "ERRORNOTIMPLEMENTED" "Unknown action";
    /// An action or option of the documented family that FaceClique does not have.
    NotOffered = 2 "ERRORNOTIMPLEMENTED" "Not offered";
    /// Neither `action` nor `a`.
    NoAction = 3 "ERRORPARAMMISSING" "No action given";
    /// A required parameter is not there.
    Missing = 10 "ERRORPARAMMISSING" "Required parameter missing";
    /// Wrong Boolean, number, date, list, enumerated value, or out of range.
    ValueNotValid = 11 "ERRORPARAMINVALID" "Parameter value not valid";
    /// A name over 254 bytes, or with control characters.
    NameNotValid = 12 "ERRORPARAMINVALID" "Name not valid";
    /// Percent-encoding, UTF-8, base64, multipart, Content-Type.
    Undecodable = 13 "ERRORPARAMINVALID" "Request cannot be decoded";
    /// Two parameters, or two values of one, that exclude each other.
    Contradiction = 14 "ERRORPARAMINVALID" "Parameters contradict each other";
    /// Labels and images differ in number; a label twice in one request.
    CountsDisagree = 15 "ERRORPARAMINVALID" "Counts do not agree";
    /// A limit of R156.
    TooLarge = 20 "ERRORTOOLARGE" "Request too large";
    /// The client's address lacks the role; foreign Host or Origin.
    NotAuthorised = 30 "ERRORNOTALLOWED" "Client not authorised";
    /// Outside the allowed directories, or not a regular file.
    PathNotAllowed = 31 "ERRORNOTALLOWED" "Path not allowed";
    /// An allowed file cannot be read or written.
    FileNotAccessible = 32 "ERRORNOTFOUND" "File not accessible";
    /// No such database.
    DatabaseNotFound = 40 "ERRORNOTFOUND" "Database not found";
    /// No such face.
    FaceNotFound = 41 "ERRORNOTFOUND" "Face not found";
    /// No such image.
    ImageNotFound = 42 "ERRORNOTFOUND" "Image not found";
    /// No such metadata key.
    MetadataKeyNotFound = 43 "ERRORNOTFOUND" "Metadata key not found";
    /// The pixels were dropped, or there never were any.
    NoPicture = 44 "ERRORNOTFOUND" "Image holds no picture";
    /// A database of that name is there.
    DatabaseExists = 45 "ERRORALREADYEXISTS" "Database exists already";
    /// A face of that identifier is there.
    FaceExists = 46 "ERRORALREADYEXISTS" "Face exists already";
    /// An image of that label is there.
    ImageLabelExists = 47 "ERRORALREADYEXISTS" "Image label exists already";
    /// A metadata key of that name is there.
    MetadataKeyExists = 48 "ERRORALREADYEXISTS" "Metadata key exists already";
    /// No queue of that name.
    UnknownQueue = 50 "ERRORNOTFOUND" "Unknown queue";
    /// A token never issued for this queue, or removed by retention.
    UnknownToken = 51 "ERRORNOTFOUND" "Unknown token";
    /// The job's state does not allow it.
    StateNotPossible = 52 "ERRORSTATE" "Not possible in this state";
    /// The queue takes no more jobs.
    QueueFull = 53 "ERRORQUEUEFULL" "Queue is full";
    /// A synchronous job was cancelled or stopped.
    ActionEnded = 54 "ERRORACTIONENDED" "Action did not finish";
    /// Images of several embedding models in one job.
    ModelsDiffer = 60 "ERRORMODEL" "Different embedding models";
    /// Unknown or missing model, wrong dimension, or database bound to another.
    ModelNotUsable = 61 "ERRORMODEL" "Embedding model not usable";
    /// No image of the job could be trained.
    NothingTrained = 62 "ERRORTRAINING" "No image could be trained";
    /// Memory, result size or number of images.
    JobLimit = 63 "ERRORLIMIT" "Job exceeds a limit";
    /// The job was running at several crashes in a row.
    JobCrashes = 64 "ERRORCRASHED" "Job ended the process repeatedly";
    /// The content of an imported file.
    FileContent = 65 "ERRORFORMAT" "File content not valid";
    /// Disk full, unreadable record.
    Storage = 70 "ERRORSTORAGE" "Storage failure";
    /// The server is shutting down.
    Stopping = 71 "ERRORUNAVAILABLE" "Server is stopping";
    /// A defect; details are in the log only.
    Internal = 79 "ERRORINTERNAL" "Internal error";
}

impl Code {
    /// The entry with this number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }
}

/// The letters and digits of the longest action name in an `errorid`.
const MAX_ACTION_IN_ID: usize = 64;

/// A refusal, as the client reads it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{description}")]
pub struct Fault {
    /// The entry of the catalogue.
    pub code: Code,
    /// What is wrong, in a sentence that names parameter, value, and limit or reason. Never empty.
    pub description: String,
}

impl Fault {
    /// A fault with this description; an empty one is replaced by the catalogue's text.
    pub fn new(code: Code, description: impl Into<String>) -> Self {
        let description = description.into();
        let description = if description.is_empty() { code.errorstring().to_owned() } else { printable(description) };
        Self { code, description }
    }

    /// Error 1.
    pub fn unknown_action(action: &str) -> Self {
        Self::new(Code::UnknownAction, format!("{} is not an action of this server", quoted("action", action)))
    }

    /// Error 2, with `value` of parameter `name` as what is not offered.
    pub fn not_offered(name: &str, value: &str, reason: &str) -> Self {
        Self::new(Code::NotOffered, format!("{} {reason}", quoted(name, value)))
    }

    /// Error 3.
    pub fn no_action() -> Self {
        Self::new(Code::NoAction, "neither 'action' nor 'a' is given")
    }

    /// Error 10: `name` is required.
    pub fn missing(name: &str) -> Self {
        Self::new(Code::Missing, format!("'{name}' is required and not given"))
    }

    /// Error 11: `'name=value' reason`.
    pub fn value(name: &str, value: &str, reason: &str) -> Self {
        Self::new(Code::ValueNotValid, format!("{} {reason}", quoted(name, value)))
    }

    /// Error 12.
    pub fn name(name: &str, value: &str, reason: &NameError) -> Self {
        Self::new(Code::NameNotValid, format!("{} is not valid: {reason}", quoted(name, value)))
    }

    /// Error 13.
    pub fn undecodable(reason: impl Into<String>) -> Self {
        Self::new(Code::Undecodable, reason)
    }

    /// Error 13 for `what`, such as a body of some type, with the value that is not understood.
    pub fn not_understood(what: &str, value: &str) -> Self {
        Self::undecodable(format!("{what} '{}' is not understood", super::text::cut(value)))
    }

    /// Error 14 for one parameter with two values (R8).
    pub fn given_twice(name: &str) -> Self {
        let name = super::text::cut(name); // any name counts, also one that no action knows
        Self::new(Code::Contradiction, format!("'{name}' is given twice, with different values"))
    }

    /// Error 20: `what` exceeds `limit`, which the setting `setting` says.
    pub fn too_large(what: &str, limit: impl std::fmt::Display, setting: &str) -> Self {
        Self::new(Code::TooLarge, format!("{what}, more than the limit of {limit} (setting {setting})"))
    }

    /// Error 30: a header that shows a foreign web page (R161).
    pub fn foreign(header: &str, value: &str) -> Self {
        let value = super::text::cut(value);
        Self::new(Code::NotAuthorised, format!("requests with '{header}: {value}' are not served here"))
    }

    /// Error 40.
    pub fn database_not_found(database: &str) -> Self {
        Self::new(Code::DatabaseNotFound, format!("{} does not exist", quoted("database", database)))
    }

    /// Error 41.
    pub fn face_not_found(identifier: &str, database: &str) -> Self {
        let (face, database) = (quoted("identifier", identifier), quoted("database", database));
        Self::new(Code::FaceNotFound, format!("{face} does not exist in {database}"))
    }

    /// Error 42.
    pub fn image_not_found(label: &str, identifier: &str, database: &str) -> Self {
        let (image, face) = (quoted("imagelabel", label), quoted("identifier", identifier));
        let database = quoted("database", database);
        Self::new(Code::ImageNotFound, format!("{image} does not exist in {face} of {database}"))
    }

    /// Error 51.
    pub fn token_not_known(token: &str, queue: &str) -> Self {
        let token = quoted("token", token);
        Self::new(Code::UnknownToken, format!("{token} is not known to queue '{}'", super::text::cut(queue)))
    }

    /// Error 70; what exactly failed belongs into the log.
    pub fn storage() -> Self {
        Self::new(Code::Storage, "the server could not read or write its data; its log says why")
    }

    /// Error 79; what exactly failed belongs into the log.
    pub fn internal() -> Self {
        Self::new(Code::Internal, "a defect of the server; its log says more")
    }

    /// The text of `errorid` when this fault answers `action` (R52).
    pub fn error_id(&self, action: &str) -> String {
        let letters = action.chars().filter(char::is_ascii_alphanumeric).take(MAX_ACTION_IN_ID);
        let mut name: String = letters.map(|c| c.to_ascii_uppercase()).collect();
        if action.is_empty() {
            name.push_str("NOACTION");
        }
        format!("FACECLIQUE{name}{}", self.code.number())
    }

    /// The text of `rawerrorid` (R52).
    pub fn raw_error_id(&self) -> String {
        format!("0x{:X}", self.code.number())
    }

    /// The `error` text of a job of `action` that ended with this fault (R56).
    pub fn job_text(&self, action: &str) -> String {
        format!("{} ({})", self.description, self.error_id(action))
    }
}

/// A text with its control characters escaped: a tab as `\t`, U+0085 as `\u{85}`.
fn printable(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_debug());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r53_control_characters_of_a_value_are_shown_escaped() {
        let fault = Fault::value("maxresults", "1\t\r\n\u{85}\u{7f}é\\", "is not a number");
        assert_eq!(fault.description, r"'maxresults=1\t\r\n\u{85}\u{7f}é\' is not a number");
        assert!(!Fault::unknown_action("\u{1b}[31m").description.contains('\u{1b}'));
    }

    #[test]
    fn r59_numbers_ascend_and_lead_back_to_their_code() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
        assert_eq!(Code::ALL.len(), 36);
        for &code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(code));
            assert!(code.errorcode().starts_with("ERROR") && !code.errorstring().is_empty());
        }
        assert_eq!(Code::from_number(4), None);
    }

    #[test]
    fn r52_errorid_holds_letters_and_digits_of_the_action() {
        let fault = Fault::database_not_found("LFW");
        assert_eq!(fault.error_id("RemoveFaceDatabase"), "FACECLIQUEREMOVEFACEDATABASE40");
        assert_eq!(fault.error_id(""), "FACECLIQUENOACTION40");
        assert_eq!(fault.error_id("a<b>-2é"), "FACECLIQUEAB240");
        assert_eq!(fault.error_id(&"x".repeat(100)), format!("FACECLIQUE{}40", "X".repeat(64)));
        assert_eq!(fault.raw_error_id(), "0x28");
        assert_eq!(Fault::value("n", "v", "r").raw_error_id(), "0xB");
    }

    #[test]
    fn r54_fixed_descriptions() {
        assert_eq!(Fault::database_not_found("LFW").description, "'database=LFW' does not exist");
        assert_eq!(Fault::face_not_found("x", "d").description, "'identifier=x' does not exist in 'database=d'");
        assert_eq!(
            Fault::image_not_found("l", "x", "d").description,
            "'imagelabel=l' does not exist in 'identifier=x' of 'database=d'"
        );
        assert_eq!(Fault::token_not_known("t", "TrainFace").description, "'token=t' is not known to queue 'TrainFace'");
    }

    #[test]
    fn r53_values_are_cut_at_254_bytes_and_a_character_boundary() {
        let fault = Fault::database_not_found(&format!("x{}", "é".repeat(200)));
        assert_eq!(fault.description, format!("'database=x{}' does not exist", "é".repeat(126)));
        assert!(Fault::given_twice(&"x".repeat(16_000)).description.len() < 300);
        assert_eq!(Fault::new(Code::Storage, "").description, "Storage failure");
    }

    #[test]
    fn r56_job_text() {
        let text = Fault::database_not_found("LFW").job_text("FaceClustering");
        assert_eq!(text, "'database=LFW' does not exist (FACECLIQUEFACECLUSTERING40)");
    }
}
