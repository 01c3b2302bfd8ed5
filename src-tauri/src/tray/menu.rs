//! The menu's rows: made once, changed in place. A row comes or goes only where the model says so; whoever has
//! the menu open keeps it.

use steady_model::project::tray::{Action, Command, REASONS, Row, TrayModel};
use tauri::menu::{Menu, MenuItem, PredefinedMenuItem};
use tauri::{AppHandle, Wry};

/// What a click asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// Open the panel at this page.
    Show(String),
    Do(Action),
}

/// A row that is not always there. Its place is counted from the rows before it that are.
struct Optional {
    item: MenuItem<Wry>,
    shown: bool,
}

pub struct Rows {
    menu: Menu<Wry>,
    sentence: MenuItem<Wry>,
    /// In their order below the sentence: the notice, the start, the reasons.
    optional: Vec<Optional>,
    sync: MenuItem<Wry>,
    backup: MenuItem<Wry>,
    commands: Vec<MenuItem<Wry>>,
    drawn: TrayModel,
}

const SENTENCE: &str = "sentence";
const NOTICE: &str = "notice";
const START: &str = "start";
const SYNC: &str = "sync";
const BACKUP: &str = "backup";

impl Rows {
    pub fn new(app: &AppHandle, model: &TrayModel) -> tauri::Result<Self> {
        let row = |id: &str, text: &str| MenuItem::with_id(app, id, literal(text), true, None::<&str>);
        let reasons = (0..REASONS).map(reason_id);
        let optional = [NOTICE.to_owned(), START.to_owned()]
            .into_iter()
            .chain(reasons)
            .map(|id| Ok(Optional { item: row(&id, "")?, shown: false }))
            .collect::<tauri::Result<Vec<_>>>()?;
        let sentence = row(SENTENCE, &model.sentence)?;
        let sync = row(SYNC, &model.sync.text)?;
        let backup = row(BACKUP, &model.backup.text)?;
        let commands = ordered(model)
            .iter()
            .map(|c| MenuItem::with_id(app, id(c.action), c.label, c.enabled, None::<&str>))
            .collect::<tauri::Result<Vec<_>>>()?;
        let menu = Menu::new(app)?;
        menu.append_items(&[&sentence, &sync, &backup])?;
        for (command, item) in ordered(model).iter().zip(&commands) {
            if matches!(command.action, Action::Restart | Action::OpenPanel | Action::Quit) {
                menu.append(&PredefinedMenuItem::separator(app)?)?;
            }
            menu.append(item)?;
        }
        let mut rows = Self { menu, sentence, optional, sync, backup, commands, drawn: model.clone() };
        rows.draw_optional(model)?;
        Ok(rows)
    }

    pub fn menu(&self) -> &Menu<Wry> {
        &self.menu
    }

    pub fn drawn(&self) -> &TrayModel {
        &self.drawn
    }

    /// Applies the difference to what is drawn.
    pub fn draw(&mut self, model: TrayModel) -> tauri::Result<()> {
        let texts = [
            (&self.sentence, &self.drawn.sentence, &model.sentence),
            (&self.sync, &self.drawn.sync.text, &model.sync.text),
            (&self.backup, &self.drawn.backup.text, &model.backup.text),
        ];
        for (item, old, new) in texts {
            if old != new {
                item.set_text(literal(new))?;
            }
        }
        for ((item, old), new) in self.commands.iter().zip(ordered(&self.drawn)).zip(ordered(&model)) {
            if old.label != new.label {
                item.set_text(literal(new.label))?;
            }
            if old.enabled != new.enabled {
                item.set_enabled(new.enabled)?;
            }
        }
        self.draw_optional(&model)?;
        self.drawn = model;
        Ok(())
    }

    fn draw_optional(&mut self, model: &TrayModel) -> tauri::Result<()> {
        let reasons = (0..REASONS).map(|n| model.reasons.get(n).map(|r| r.text.as_str()));
        let texts = [model.notice.as_deref(), model.start_agent.as_ref().map(|c| c.label)];
        let mut place = 1;
        for (row, text) in self.optional.iter_mut().zip(texts.into_iter().chain(reasons)) {
            if let Some(text) = text {
                let text = literal(text);
                if row.item.text()? != text {
                    row.item.set_text(text)?;
                }
            }
            match (row.shown, text.is_some()) {
                (false, true) => self.menu.insert(&row.item, place)?,
                (true, false) => self.menu.remove(&row.item)?,
                _ => {}
            }
            row.shown = text.is_some();
            place += usize::from(row.shown);
        }
        Ok(())
    }

    /// What a click on the row `id` means, by what the row said when it was clicked.
    pub fn intent(&self, clicked: &str) -> Option<Intent> {
        let show = |row: &Row| Some(Intent::Show(row.page.clone()));
        match clicked {
            SENTENCE | NOTICE => Some(Intent::Show("#/".to_owned())),
            START => Some(Intent::Do(Action::StartAgent)),
            SYNC => show(&self.drawn.sync),
            BACKUP => show(&self.drawn.backup),
            _ => match (0..REASONS).find(|n| clicked == reason_id(*n)) {
                Some(n) => self.drawn.reasons.get(n).and_then(show),
                None => ordered(&self.drawn)
                    .into_iter()
                    .find(|c| c.enabled && id(c.action) == clicked)
                    .map(|c| Intent::Do(c.action)),
            },
        }
    }
}

/// In the order of the menu.
fn ordered(model: &TrayModel) -> [&Command; 6] {
    [&model.restart, &model.sync_now, &model.back_up, &model.restore, &model.open_panel, &model.quit]
}

fn id(action: Action) -> &'static str {
    match action {
        Action::StartAgent => START,
        Action::Restart => "restart",
        Action::SyncNow => "sync-now",
        Action::BackUp => "back-up",
        Action::Restore => "restore",
        Action::OpenPanel => "open-panel",
        Action::Quit => "quit",
    }
}

fn reason_id(n: usize) -> String {
    format!("reason-{n}")
}

/// `&` would mark the next letter as an access key.
fn literal(text: &str) -> String {
    text.replace('&', "&&")
}
