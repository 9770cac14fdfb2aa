"""The section with the list of cases: sort, filter, open by a double click."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import qt

from ..panel import case_table
from ..panel.case_table import Order, Row
from ..panel.glance import Glance
from ..texts import cases as texts
from .common import WARNING, color_of, say, tool_tip

ALL = "all states"
WIDEST = {case_table.CASE: 170, case_table.REASON: 240}  # pixels at first; a person can make them wider
PICTURE, TALL, FLAT = 44, 48, 24  # pixels: side of a picture, and rows with and without one


class CasesSection:
    """The section "Cases"."""

    def __init__(self, ui: Any, session: Any) -> None:
        self.ui, self.session, self.table = ui, session, ui.caseTable
        self.order = Order()
        self.rows: List[Row] = []
        self._drawn: List[Any] = []  # for each row, of which proposal it shows a picture; None: of none
        self._may_open = self._may_unskip = False
        self._states = ["", *texts.STATES]
        ui.stateCombo.addItems([ALL, *texts.STATES.values()])
        self._head()
        self.table.setIconSize(qt.QSize(PICTURE, PICTURE))
        header = self.table.horizontalHeader()
        header.setSectionsClickable(True)
        header.setSortIndicatorShown(True)
        header.connect("sectionClicked(int)", self._sort)
        self.table.connect("cellDoubleClicked(int,int)", lambda row, _: self._open())
        self.table.connect("itemSelectionChanged()", self._choose)
        ui.filterEdit.connect("textChanged(QString)", lambda _: self.fill())
        ui.stateCombo.connect("currentIndexChanged(int)", lambda _: self.fill())
        ui.openButton.connect("clicked(bool)", lambda _=False: self._open())
        ui.unskipButton.connect("clicked(bool)", lambda _=False: self._unskip())
        ui.refreshButton.connect("clicked(bool)", lambda _=False: session.connection.refresh())
        session.cases.listed.connect(lambda _: self.fill())

    def _head(self) -> None:
        """The headings, each with what its column means."""
        self.table.setColumnCount(len(texts.COLUMNS))
        for column, (name, meaning) in enumerate(texts.COLUMNS):
            item = qt.QTableWidgetItem(name)
            item.setToolTip(tool_tip(meaning))
            self.table.setHorizontalHeaderItem(column, item)

    def show(self, glance: Glance) -> None:
        self._may_open, self._may_unskip = "open" in glance.may, {"skip"} <= glance.offered and "open" in glance.may
        self.ui.refreshButton.enabled = "open" in glance.may
        self.ui.unskipButton.setVisible("skip" in glance.offered)
        if not self.session.cases.rows and self.rows:
            self.fill()  # another server
        self._choose()

    @property
    def chosen(self) -> Optional[str]:
        """The selected case."""
        row = self.table.currentRow()
        return self.rows[row].id if 0 <= row < len(self.rows) else None

    def fill(self) -> None:
        """Show the rows that match the filter; only changes are written."""
        listed = self.session.cases.rows
        rows, fitting = case_table.shown(
            listed, self.ui.filterEdit.text, self._states[max(0, self.ui.stateCombo.currentIndex)], self.order
        )
        say(self.ui.casesLabel, case_table.summary(len(listed), fitting))
        chosen, before = self.chosen, len(self.rows)
        if rows != self.rows:
            self.table.blockSignals(True)
            self.rows = rows
            self.table.setRowCount(len(rows))
            for number, row in enumerate(rows):
                self._write(number, row)
            unused = case_table.unused(listed)
            for column in range(len(texts.COLUMNS)):
                self.table.setColumnHidden(column, column in unused)
            if not before:
                self._widths()
            self._heights()
            self._select(chosen)
            self.table.blockSignals(False)
        self._choose()

    def tick(self) -> None:
        """Show the pictures of the proposals that can be seen, and ask for those that are missing."""
        if not self.rows or not self.table.isVisible():
            return
        first, last = self.table.rowAt(0), self.table.rowAt(self.table.viewport().height - 1)
        wanted = []
        for number in range(max(0, first), (last if last >= 0 else len(self.rows) - 1) + 1):
            row = self.rows[number]
            proposal = None if row.proposed is None else (row.id, row.proposed)
            file = None if proposal is None else self.session.thumbnails.file(proposal)
            shown = None if file is None else proposal
            if self._drawn[number] != shown:
                self._drawn[number] = shown
                self.table.item(number, 0).setIcon(qt.QIcon() if file is None else qt.QIcon(qt.QPixmap(str(file))))
            if proposal is not None:
                wanted.append(proposal)
        self.session.thumbnails.want(wanted)

    def _heights(self) -> None:
        """Rows are tall where there are pictures."""
        capabilities = self.session.connection.capabilities
        pictures = capabilities is not None and capabilities.has("thumbnail")
        tall = pictures and any(row.proposed is not None for row in self.rows)
        self.table.verticalHeader().setDefaultSectionSize(TALL if tall else FLAT)
        self._drawn = [*self._drawn[: len(self.rows)], *[None] * (len(self.rows) - len(self._drawn))]

    def _widths(self) -> None:
        """As wide as what is in them, within limits."""
        self.table.resizeColumnsToContents()
        for column, most in WIDEST.items():
            self.table.setColumnWidth(column, min(most, self.table.columnWidth(column)))

    def _write(self, number: int, row: Row) -> None:
        for column, (text, tip) in enumerate(zip(row.texts, row.tips)):
            item = self.table.item(number, column)
            if item is None:
                item = qt.QTableWidgetItem(text)
                self.table.setItem(number, column, item)
            else:
                item.setText(text)
            item.setToolTip(tool_tip(tip))
            if row.flagged:
                color_of(item, WARNING)
            else:
                item.setData(qt.Qt.ForegroundRole, None)

    def _select(self, case: Optional[str]) -> None:
        number = next((number for number, row in enumerate(self.rows) if row.id == case), -1)
        self.table.setCurrentCell(number, 0 if number >= 0 else -1)

    def _sort(self, column: int) -> None:
        self.order = self.order.clicked(column)
        down = qt.Qt.DescendingOrder if self.order.down else qt.Qt.AscendingOrder
        self.table.horizontalHeader().setSortIndicator(column, down)
        self.fill()

    def _row(self) -> Dict[str, Any]:
        return self.session.cases.row(self.chosen) if self.chosen else {}

    def _choose(self) -> None:
        self.ui.openButton.enabled = self._may_open and self.chosen is not None
        self.ui.unskipButton.enabled = self._may_unskip and bool(self._row().get("skipped"))

    def _open(self) -> None:
        if self.chosen is not None:
            self.session.cases.open(self.chosen)

    def _unskip(self) -> None:
        if self.chosen is not None:
            self.session.cases.unskip(self.chosen)
