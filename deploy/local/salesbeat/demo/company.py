"""The company 恒川流体设备 as it stands: made up, like every name and number in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

SEED = "恒川流体设备"


@dataclass(frozen=True, slots=True)
class Office:
    code: str
    city: str
    region: str
    area_code: str
    timezone: str
    opened_on: date
    pull: float
    """How well it sells; 1 is usual."""
    centre: tuple[float, float]
    """Latitude and longitude of its city's middle."""
    local_digits: int = 8
    """Digits of a telephone number after the area code."""


REGIONS = {"HD": "华东大区", "HN": "华南大区", "BF": "北方大区"}

LIVE = "SHA"
"""The office whose day `salesbeat demo --live` plays."""
RISING, WEAK = "SZX", "URC"
"""The office that grows from month to month, and the one that has fallen behind."""

OFFICES = (
    Office("SHA", "上海", "HD", "021", "Asia/Shanghai", date(2018, 3, 1), 1.2, (31.2304, 121.4737)),
    Office("HGH", "杭州", "HD", "0571", "Asia/Shanghai", date(2019, 5, 6), 1.0, (30.2741, 120.1551)),
    Office("CAN", "广州", "HN", "020", "Asia/Shanghai", date(2018, 9, 3), 1.05, (23.1291, 113.2644)),
    Office(RISING, "深圳", "HN", "0755", "Asia/Shanghai", date(2022, 3, 1), 1.0, (22.5431, 114.0579)),
    Office("BJS", "北京", "BF", "010", "Asia/Shanghai", date(2018, 3, 1), 1.1, (39.9042, 116.4074)),
    # Its day begins two hours later than the others'.
    Office(WEAK, "乌鲁木齐", "BF", "0991", "Asia/Urumqi", date(2021, 6, 1), 0.45, (43.8256, 87.6168), 7),
)


@dataclass(frozen=True, slots=True)
class Person:
    login: str
    name: str
    role: str
    title: str
    office: str | None = None
    region: str | None = None
    manager: str | None = None
    serves: tuple[str, ...] = ()
    account: bool = False
    """Whether a newcomer can sign in as this person."""


def _people() -> tuple[Person, ...]:
    top = Person("zhao.weiguo", "赵卫国", "top_manager", "销售总经理", account=True)
    owner = Person("lin.hengchuan", "林恒川", "owner", "经营者", account=True)
    supervisors = [
        Person("sun.lihua", "孙丽华", "regional_supervisor", "华东区域主管", None, "HD", top.login, account=True),
        Person("liang.zhiqiang", "梁志强", "regional_supervisor", "华南区域主管", None, "HN", top.login, account=True),
        Person("gao.jianjun", "高建军", "regional_supervisor", "北方区域主管", None, "BF", top.login, account=True),
    ]
    leads = {supervisor.region: supervisor.login for supervisor in supervisors}
    people = [top, owner, *supervisors]
    for office in OFFICES:
        (login, name), *sellers = _TEAMS[office.code]
        people.append(
            Person(login, name, "office_head", "办事处主任", office.code, None, leads[office.region], account=True)
        )
        people += [
            Person(seller, called, "salesperson", "销售员", office.code, None, login, account=number == 0)
            for number, (seller, called) in enumerate(sellers)
        ]
    for login, name, office, other in _CLERKS:
        people.append(
            Person(login, name, "clerk", "内勤", office, None, top.login, (other,), account=office == OFFICES[0].code)
        )
    everywhere = tuple(office.code for office in OFFICES)
    for number, (login, name) in enumerate(_SERVICE_DESK):
        people.append(
            Person(login, name, "service_desk", "客户服务部", None, None, top.login, everywhere, account=number == 0)
        )
    return tuple(people)


_TEAMS = {
    line[:3]: [tuple(person.split()) for person in line[5:].split(", ")]
    for line in """\
SHA: chen.guodong 陈国栋, wang.fang 王芳, li.minghui 李明辉, zhou.ting 周婷, xu.haoran 徐浩然
HGH: shen.yueping 沈月萍, ye.zihan 叶子涵, jin.weiming 金伟明, lou.xiaoyan 楼晓燕, yu.jiacheng 俞嘉诚
CAN: huang.zhenhua 黄振华, he.meiling 何美玲, luo.jianfeng 罗剑锋, deng.yanfen 邓燕芬, cai.wenbin 蔡文斌
SZX: zheng.kai 郑凯, wu.xiaomin 吴晓敏, peng.yifan 彭一帆, tan.jiaxin 谭嘉欣, zeng.zhihao 曾志豪
BJS: liu.hongwei 刘宏伟, zhang.xin 张欣, ma.chao 马超, guo.jing 郭静, han.xiaofeng 韩晓峰
URC: yang.jiang 杨疆, ailijiang 艾力江, tian.yuan 田园, gulinaer 古丽娜尔, feng.tao 冯涛
""".splitlines()
}
"""Each office's head, then its salespeople."""
_CLERKS = (
    ("qian.suzhen", "钱素珍", "SHA", "HGH"),
    ("mo.xiuyun", "莫秀云", "CAN", "SZX"),
    ("bai.huimin", "白慧敏", "BJS", "URC"),
)
_SERVICE_DESK = (("tang.lijuan", "唐丽娟"), ("jiang.haibo", "蒋海波"))

PEOPLE = _people()


@dataclass(frozen=True, slots=True)
class Product:
    """price and cost in whole yuan; most: the largest quantity of a usual order."""

    code: str
    name: str
    family: str
    unit: str
    price: int
    cost: int
    most: int


PRODUCTS = (
    Product("LX-050", "LX50 不锈钢立式离心泵", "离心泵", "台", 3860, 2510, 12),
    Product("LX-100", "LX100 不锈钢立式离心泵", "离心泵", "台", 7980, 5340, 8),
    Product("LX-200", "LX200 卧式端吸离心泵", "离心泵", "台", 15600, 10900, 4),
    Product("WQ-030", "WQ30 潜水排污泵", "排污泵", "台", 2280, 1420, 15),
    Product("WQ-110", "WQ110 潜水排污泵", "排污泵", "台", 9450, 6280, 6),
    Product("BP-2G", "BP2G 变频恒压供水机组(两泵)", "供水设备", "套", 48500, 33900, 2),
    Product("BP-3G", "BP3G 变频恒压供水机组(三泵)", "供水设备", "套", 72800, 51600, 1),
    Product("DF-080", "DF80 电动蝶阀", "阀门", "只", 1680, 1010, 20),
    Product("DF-200", "DF200 电动蝶阀", "阀门", "只", 4360, 2790, 10),
    Product("ZF-050", "ZF50 止回阀", "阀门", "只", 320, 186, 60),
    Product("RO-500", "RO500 反渗透纯水机", "水处理", "套", 26800, 18700, 3),
    Product("RO-2000", "RO2000 反渗透纯水机", "水处理", "套", 68000, 48900, 1),
    Product("UF-010", "UF10 超滤膜组件", "水处理", "支", 1950, 1180, 24),
    Product("KZ-PLC", "KZ-PLC 智能控制柜", "电气", "台", 11800, 7660, 4),
    Product("BJ-MF", "机械密封备件包", "备件", "包", 460, 235, 40),
)

BRANDS = (
    "华源宏泰鼎盛瑞丰金海天成联创永信汇通中科远大",
    "泽达润和利安康兴隆昌业辉明升通晟裕博林岳川",
)
"""First and second character of a customer's name."""
TRADES = (
    "环保科技",
    "机电设备",
    "水务工程",
    "建筑安装",
    "食品",
    "生物制药",
    "新材料",
    "电子",
    "暖通设备",
    "物业管理",
    "化工",
    "纺织",
)
INDUSTRIES = {
    "环保科技": "环保", "机电设备": "机电贸易", "水务工程": "市政水务", "建筑安装": "建筑", "食品": "食品饮料",
    "生物制药": "制药", "新材料": "材料", "电子": "电子制造", "暖通设备": "暖通", "物业管理": "物业",
    "化工": "化工", "纺织": "纺织印染",
}  # fmt: skip
ROADS = ("人民路", "建设路", "解放路", "科技大道", "创业路", "工业园一路", "滨江大道", "长江路", "和平路", "兴业街")
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾"
GIVEN = (
    "建国",
    "秀英",
    "志勇",
    "丽萍",
    "海涛",
    "雪梅",
    "国强",
    "晓东",
    "淑芬",
    "永刚",
    "文静",
    "俊杰",
    "春燕",
    "立新",
    "慧",
    "斌",
    "磊",
    "娜",
)
SOURCES = ("exhibition", "referral", "cold_call", "website", "tender", "market_research")
