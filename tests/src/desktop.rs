//! The tray as a desktop sees it: a `StatusNotifierWatcher` that reads the item and clicks its menu.
//!
//! Each tray has a session bus of its own, so that tests neither meet each other nor the desktop's panel.
#![allow(
    clippy::used_underscore_binding,
    reason = "the interface macro uses the arguments that a method ignores"
)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use zbus::message::Header;
use zbus::proxy::CacheProperties;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Structure, Value};
use zbus::{Connection, Proxy, interface};

use crate::{LIMIT, Stack, bin};

struct Watcher(tokio::sync::mpsc::UnboundedSender<(String, String)>);

#[allow(
    clippy::needless_pass_by_value,
    clippy::unused_self,
    reason = "the D-Bus interface and its macro ask for it"
)]
#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    fn register_status_notifier_item(&self, #[zbus(header)] header: Header<'_>, service: String) {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let _ = self.0.send((sender, service));
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A session bus for one test.
pub struct Bus {
    daemon: Child,
    pub address: String,
}

impl Bus {
    pub fn start() -> Self {
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { daemon, address: address.trim().to_owned() }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// One row of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: i32,
    pub label: String,
    pub enabled: bool,
}

/// What the icon says, by the colour of its opaque pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Green,
    Amber,
    Red,
    Grey,
}

/// The running app with its tray.
pub struct Tray {
    app: Child,
    pub bus: Bus,
    item: Proxy<'static>,
    menu: Proxy<'static>,
}

impl Tray {
    /// Starts the app over `stack`, which needs no agent yet.
    pub async fn start(stack: &Stack) -> Self {
        let bus = Bus::start();
        let (tx, mut registered) = tokio::sync::mpsc::unbounded_channel();
        let connection = zbus::connection::Builder::address(bus.address.as_str())
            .unwrap()
            .name("org.kde.StatusNotifierWatcher")
            .unwrap()
            .serve_at("/StatusNotifierWatcher", Watcher(tx))
            .unwrap()
            .build()
            .await
            .unwrap();
        let app = Command::new(bin("steady-app"))
            .arg("--home")
            .arg(stack.home())
            .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
            .spawn()
            .unwrap();
        let (sender, service) = tokio::time::timeout(LIMIT, registered.recv())
            .await
            .unwrap_or_else(|_| panic!("the app put no tray on the bus within {LIMIT:?}"))
            .unwrap();
        let (destination, path) = if service.starts_with('/') {
            (sender, service)
        } else {
            (service, "/StatusNotifierItem".to_owned())
        };
        let item = proxy(&connection, &destination, &path, "org.kde.StatusNotifierItem").await;
        let menu: OwnedObjectPath = item.get_property("Menu").await.unwrap();
        let menu = proxy(&connection, &destination, menu.as_str(), "com.canonical.dbusmenu").await;
        Self { app, bus, item, menu }
    }

    pub fn pid(&self) -> u32 {
        self.app.id()
    }

    /// The tooltip, which is the sentence.
    pub async fn sentence(&self) -> String {
        type ToolTip = (String, Vec<(i32, i32, Vec<u8>)>, String, String);
        let (_, _, title, _): ToolTip = self.item.get_property("ToolTip").await.unwrap();
        title
    }

    /// The icon's bytes, ARGB big endian, at its largest size.
    pub async fn icon(&self) -> Vec<u8> {
        let sizes: Vec<(i32, i32, Vec<u8>)> = self.item.get_property("IconPixmap").await.unwrap();
        sizes.into_iter().max_by_key(|(width, ..)| *width).unwrap().2
    }

    pub async fn tone(&self) -> Tone {
        tone_of(&self.icon().await)
    }

    pub async fn rows(&self) -> Vec<Row> {
        type Layout = (u32, (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>));
        let none: Vec<&str> = Vec::new();
        let (_, (_, _, children)): Layout =
            self.menu.call("GetLayout", &(0_i32, -1_i32, none)).await.unwrap();
        children.into_iter().filter_map(row).collect()
    }

    /// Clicks the row whose label begins with `label`, when it is enabled.
    pub async fn click(&self, label: &str) {
        let rows = self.rows().await;
        let row = rows
            .iter()
            .find(|r| r.label.starts_with(label))
            .unwrap_or_else(|| panic!("no row {label}: {rows:#?}"));
        assert!(row.enabled, "{label} cannot be clicked: {rows:#?}");
        match self.menu.call_method("Event", &(row.id, "clicked", Value::from(""), 0_u32)).await {
            // A click on Quit may end the app before it answers.
            Err(zbus::Error::MethodError(name, ..))
                if name.as_str() == "org.freedesktop.DBus.Error.NoReply" => {}
            clicked => drop(clicked.unwrap()),
        }
    }

    /// Waits until the app has ended by itself.
    pub async fn ended(&mut self, limit: Duration) {
        let ending = async {
            while self.app.try_wait().unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(limit, ending).await.expect("the app runs on");
    }

    /// Waits until `holds` of the tray; panics with what it shows after [`LIMIT`].
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        let watch = async {
            while !holds(self).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(LIMIT, watch).await.is_err() {
            panic!(
                "not seen within {LIMIT:?}: {what}; {:?} {} {:#?}",
                self.tone().await,
                self.sentence().await,
                self.rows().await
            );
        }
    }
}

impl Drop for Tray {
    fn drop(&mut self) {
        let _ = self.app.kill();
        let _ = self.app.wait();
    }
}

async fn proxy(bus: &Connection, destination: &str, path: &str, interface: &str) -> Proxy<'static> {
    zbus::proxy::Builder::<Proxy<'_>>::new(bus)
        .destination(destination.to_owned())
        .unwrap()
        .path(path.to_owned())
        .unwrap()
        .interface(interface.to_owned())
        .unwrap()
        .cache_properties(CacheProperties::No)
        .build()
        .await
        .unwrap()
}

/// `(ia{sv}av)`; separators and hidden rows are left out.
fn row(item: OwnedValue) -> Option<Row> {
    let item = Structure::try_from(Value::from(item)).ok()?;
    let [id, properties, ..] = item.fields() else { return None };
    let properties: HashMap<String, Value<'_>> = HashMap::try_from(properties.try_clone().ok()?).ok()?;
    let flag = |name| properties.get(name).is_none_or(|v| !matches!(v, Value::Bool(false)));
    let label = match properties.get("label") {
        Some(Value::Str(label)) if flag("visible") => label.replace('_', ""),
        _ => return None,
    };
    Some(Row { id: i32::try_from(id).ok()?, label, enabled: flag("enabled") })
}

fn tone_of(argb: &[u8]) -> Tone {
    let (mut red, mut green, mut blue, mut count) = (0_u64, 0_u64, 0_u64, 0_u64);
    for pixel in argb.chunks_exact(4) {
        if let [alpha, r, g, b] = *pixel
            && alpha > 200
        {
            red += u64::from(r);
            green += u64::from(g);
            blue += u64::from(b);
            count += 1;
        }
    }
    assert!(count > 0, "the icon is empty");
    let (red, green, blue) = (red / count, green / count, blue / count);
    let spread = red.max(green).max(blue) - red.min(green).min(blue);
    if spread < 40 {
        Tone::Grey
    } else if green > red {
        Tone::Green
    } else if green * 2 > red {
        Tone::Amber
    } else {
        Tone::Red
    }
}

fn xdotool(args: &[&str]) -> String {
    let out = Command::new("xdotool").args(args).output().unwrap();
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

/// The id of the visible window with this exact title, once it is there.
pub async fn window_named(title: &str) -> String {
    let pattern = format!("^{title}$");
    let looking = async {
        loop {
            let found = xdotool(&["search", "--onlyvisible", "--name", &pattern]);
            if let Some(id) = found.lines().next() {
                return id.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, looking).await.expect("no such window")
}

pub fn window_pid(window: &str) -> u32 {
    xdotool(&["getwindowpid", window]).parse().unwrap()
}

/// Closes it as its close button does, and waits until its process has ended.
pub async fn close_window(window: &str) {
    let pid = window_pid(window);
    // Through the window manager, as the button in its frame does.
    let id = format!("{:#x}", window.parse::<u64>().unwrap());
    assert!(Command::new("wmctrl").args(["-i", "-c", &id]).status().unwrap().success());
    let ending = async {
        while crate::alive(pid) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, ending).await.expect("the panel's process outlived its window");
}
