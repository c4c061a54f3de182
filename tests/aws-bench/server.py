"""AWS as far as a login to Redshift needs it: moto (https://github.com/getmoto/moto), which checks every
signature by botocore and every right by IAM policies. What moto lacks of the two Redshift services is added here
in moto's own way, so that requests and answers still follow the service models of AWS.

    python server.py FOLDER

writes FOLDER/address.json when it answers: the address, and keys of a user who may log in and of one who may not.
"""

import json
import pathlib
import sys
import threading
from datetime import datetime, timedelta, timezone

import boto3
import requests
from botocore.validate import validate_parameters
from moto.core.exceptions import AccessDeniedError, ServiceException
from moto.core.request import Request
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import get_service_model
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.redshift.responses import RedshiftResponse
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

REGION = "eu-west-1"
# The password that the tests' database users have; moto's own are random.
PASSWORD = "temporary-login"
HOUR = timedelta(hours=1)


def checked(service, action, parameters):
    """Refuses what the official model of the service does not know."""
    validate_parameters(parameters, get_service_model(service).operation_model(action).input_shape)
    return parameters


def cluster_login(self, action, user):
    parameters = checked("redshift", action, dict(self.params))
    self.redshift_backend.describe_clusters(parameters["ClusterIdentifier"])
    expires = datetime.now(timezone.utc) + HOUR
    return ActionResult({"DbUser": user(parameters), "DbPassword": PASSWORD, "Expiration": expires})


def get_cluster_credentials(self):
    def user(parameters):
        return ("IAMA:" if parameters.get("AutoCreate") else "IAM:") + parameters["DbUser"]

    return cluster_login(self, "GetClusterCredentials", user)


def get_cluster_credentials_with_iam(self):
    return cluster_login(self, "GetClusterCredentialsWithIAM", lambda _: "IAMR:gate")


RedshiftResponse.get_cluster_credentials = get_cluster_credentials
RedshiftResponse.get_cluster_credentials_with_iam = get_cluster_credentials_with_iam


# Unsigned by nature, which moto's check forgets: the token is what speaks for the caller.
TOKEN = "issued-by-the-forge"
check_signature = BaseResponse._authenticate_and_authorize_action


def check(self, *arguments, **options):
    if self._get_action() != "AssumeRoleWithWebIdentity":
        check_signature(self, *arguments, **options)
    elif self._get_param("WebIdentityToken") != TOKEN:
        raise AccessDeniedError(user_arn="the token's owner", action="sts:AssumeRoleWithWebIdentity")


BaseResponse._authenticate_and_authorize_action = check


class ResourceNotFoundException(ServiceException):
    code = "ResourceNotFoundException"


class ServerlessResponse(BaseResponse):
    def __init__(self):
        super().__init__(service_name="redshift-serverless")
        self.automated_parameter_parsing = True

    def get_credentials(self):
        parameters = checked("redshift-serverless", "GetCredentials", dict(self.params))
        if parameters.get("workgroupName") != "gate":
            raise ResourceNotFoundException("no such workgroup")
        expires = datetime.now(timezone.utc) + HOUR
        return ActionResult({"dbUser": "IAMR:gate", "dbPassword": PASSWORD, "expiration": expires})


class Front:
    """moto has no serverless Redshift, so its requests are handed to the class above."""

    def __init__(self):
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ, start_response):
        if "/redshift-serverless/aws4_request" not in environ.get("HTTP_AUTHORIZATION", ""):
            return self.moto(environ, start_response)
        request = Request(environ)
        try:
            status, headers, body = ServerlessResponse.dispatch(request, request.url, request.headers)
        except Exception as error:  # moto's refusals are HTTP answers of their own
            answer = error.get_response(environ) if hasattr(error, "get_response") else Response(repr(error), 500)
            return answer(environ, start_response)
        return Response(body, status, headers)(environ, start_response)


def main(folder):
    server = make_server("127.0.0.1", 0, Front(), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"

    def client(service):
        keys = {"aws_access_key_id": "setup", "aws_secret_access_key": "setup"}
        return boto3.client(service, region_name=REGION, endpoint_url=address, **keys)

    iam = client("iam")
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
        }
    )
    allowed = ["redshift:GetClusterCredentials", "redshift:GetClusterCredentialsWithIAM", "redshift-serverless:GetCredentials"]

    def policy(actions):
        return json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
        )

    role = iam.create_role(RoleName="gate", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="gate", PolicyName="login", PolicyDocument=policy(allowed))
    told = {"address": address, "region": REGION, "role": role, "password": PASSWORD, "token": TOKEN}
    for name, actions in [("ci", allowed), ("taker", ["sts:AssumeRole"]), ("nobody", ["s3:ListAllMyBuckets"])]:
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="login", PolicyDocument=policy(actions))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        told[name] = {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    client("redshift").create_cluster(
        ClusterIdentifier="harbour", NodeType="ra3.xlplus", MasterUsername="admin", MasterUserPassword="Passw0rd1"
    )
    # From here on signatures and rights are checked.
    requests.post(f"{address}/moto-api/reset-auth", data=b"0", timeout=10).raise_for_status()
    ready = pathlib.Path(folder) / "address.json.new"
    ready.write_text(json.dumps(told))
    ready.rename(ready.with_suffix(""))
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
